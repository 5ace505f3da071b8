//! The date that a template may print. The library has no clock: whoever renders names the moment.

use std::fmt::Write as _;

/// A moment without a time zone, as Python's `datetime.now()` is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTime {
    year: i32,
    /// From 1.
    month: u32,
    /// From 1.
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

impl DateTime {
    /// Reads `2024-07-26` (midnight) or `2024-07-26T18:05:09`; none for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00"));
        let [year, month, day] = numbers(date, '-')?;
        let [hour, minute, second] = numbers(time, ':')?;
        let moment = Self { year: i32::try_from(year).ok()?, month, day, hour, minute, second };
        let exists = (1..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=moment.days_in_month()).contains(&day)
            && (hour < 24 && minute < 60 && second < 60);
        exists.then_some(moment)
    }

    /// The moment in UTC, `seconds` after the beginning of 1970.
    pub fn from_unix(seconds: i64) -> Self {
        let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400) as u32);
        // Days to a date in the Gregorian calendar, by eras of 400 years that begin in March
        // (Hinnant, "chrono-compatible low-level date algorithms").
        let days = days + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * from_march + 2) / 5 + 1) as u32;
        let month = (if from_march < 10 { from_march + 3 } else { from_march - 9 }) as u32;
        let year = (year_of_era + era * 400 + i64::from(month <= 2)) as i32;
        Self { year, month, day, hour: rest / 3600, minute: rest / 60 % 60, second: rest % 60 }
    }

    /// Python's `strftime` in the C locale; `%-d` is `%d` without the zero. The error is the
    /// directive that is not known.
    pub(super) fn format(&self, format: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            let first = chars.next();
            let unpadded = first == Some('-');
            let directive = if unpadded { chars.next() } else { first };
            let known = directive.is_some_and(|d| self.directive(&mut out, d, unpadded));
            if !known {
                let dash = if unpadded { "-" } else { "" };
                return Err(format!("%{dash}{}", directive.map(String::from).unwrap_or_default()));
            }
        }
        Ok(out)
    }

    fn directive(&self, out: &mut String, directive: char, unpadded: bool) -> bool {
        let (month, weekday) = (MONTHS[self.month as usize - 1], WEEKDAYS[self.weekday()]);
        let half_day = (self.hour + 11) % 12 + 1;
        let mut number = |value: u32, width: usize| {
            let width = if unpadded { 0 } else { width };
            write!(out, "{value:0width$}").is_ok()
        };
        let nested = match directive {
            'Y' => return number(self.year as u32, 1),
            'y' => return number(self.year as u32 % 100, 2),
            'm' => return number(self.month, 2),
            'd' => return number(self.day, 2),
            'H' => return number(self.hour, 2),
            'I' => return number(half_day, 2),
            'M' => return number(self.minute, 2),
            'S' => return number(self.second, 2),
            'j' => return number(self.day_of_year(), 3),
            'f' => return number(0, 6),
            'w' => return number(self.weekday() as u32, 1),
            'u' => return number((self.weekday() as u32 + 6) % 7 + 1, 1),
            'e' if unpadded => return number(self.day, 0),
            'e' => return write!(out, "{:2}", self.day).is_ok(),
            'B' => month,
            'b' | 'h' => &month[..3],
            'A' => weekday,
            'a' => &weekday[..3],
            'p' if self.hour < 12 => "AM",
            'p' => "PM",
            '%' => "%",
            'n' => "\n",
            't' => "\t",
            // There is no time zone.
            'Z' | 'z' => "",
            'F' => return self.nested(out, "%Y-%m-%d"),
            'T' | 'X' => return self.nested(out, "%H:%M:%S"),
            'R' => return self.nested(out, "%H:%M"),
            'D' | 'x' => return self.nested(out, "%m/%d/%y"),
            'c' => return self.nested(out, "%a %b %e %H:%M:%S %Y"),
            _ => return false,
        };
        out.push_str(nested);
        true
    }

    fn nested(&self, out: &mut String, format: &str) -> bool {
        self.format(format).map(|text| out.push_str(&text)).is_ok()
    }

    /// 0 is Sunday (Sakamoto's method).
    fn weekday(&self) -> usize {
        let year = self.year - i32::from(self.month < 3);
        let shift = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4][self.month as usize - 1];
        (year + year.div_euclid(4) - year.div_euclid(100)
            + year.div_euclid(400)
            + shift
            + self.day as i32)
            .rem_euclid(7) as usize
    }

    fn day_of_year(&self) -> u32 {
        let before = (1..self.month).map(|month| Self { month, ..*self }.days_in_month());
        before.sum::<u32>() + self.day
    }

    fn days_in_month(&self) -> u32 {
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        match self.month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }
}

fn numbers(text: &str, separator: char) -> Option<[u32; 3]> {
    let parts: Vec<u32> =
        text.split(separator).map(|part| part.parse().ok()).collect::<Option<_>>()?;
    parts.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::DateTime;

    #[track_caller]
    fn check(moment: &str, format: &str, expected: &str) {
        assert_eq!(DateTime::parse(moment).unwrap().format(format).as_deref(), Ok(expected));
    }

    /// Every expected string is what `datetime.strftime` of CPython 3 prints on Linux.
    #[test]
    fn equal_to_strftime() {
        check("2024-07-26", "%d %b %Y", "26 Jul 2024");
        check("2024-02-29T18:05:09", "%A, %B %-d, %Y", "Thursday, February 29, 2024");
        check("2024-12-31T00:00:00", "%j %a %w %u %I %p", "366 Tue 2 2 12 AM");
        check(
            "2023-01-01T12:30:00",
            "%F %T|%e|%y|%-I%%|%D %R",
            "2023-01-01 12:30:00| 1|23|12%|01/01/23 12:30",
        );
        check("0999-03-04", "%c|%x|%X|%u", "Mon Mar  4 00:00:00 999|03/04/99|00:00:00|1");
    }

    #[test]
    fn seconds_since_1970() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00"),
            (-1, "1969-12-31T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (1_732_607_171, "2024-11-26T07:46:11"),
        ] {
            assert_eq!(Some(DateTime::from_unix(seconds)), DateTime::parse(expected), "{expected}");
        }
    }

    #[test]
    fn dates_that_do_not_exist_are_none() {
        for text in ["", "2024-7", "2023-02-29", "2024-13-01", "2024-01-01T24:00:00", "today"] {
            assert_eq!(DateTime::parse(text), None, "{text}");
        }
    }

    #[test]
    fn unknown_directives_are_named() {
        let moment = DateTime::from_unix(0);
        assert_eq!(moment.format("%Y %Q"), Err("%Q".to_owned()));
        assert_eq!(moment.format("%-"), Err("%-".to_owned()));
    }
}
