//! The words of a text, as numbers to be compared.

use xxhash_rust::xxh3::xxh3_64;

/// The hashes of the words of `text`, in order.
///
/// A word is a run of letters and digits in lower case. Characters of scripts that put no spaces
/// between words are words of their own.
pub(crate) fn words(text: &str) -> Vec<u64> {
    let mut words = Vec::with_capacity(text.len() / 5);
    let mut word = String::new();
    let mut end = |word: &mut String| {
        if !word.is_empty() {
            words.push(xxh3_64(word.as_bytes()));
            word.clear();
        }
    };
    for character in text.chars() {
        if stands_alone(character) {
            end(&mut word);
            word.push(character);
            end(&mut word);
        } else if character.is_alphanumeric() {
            word.extend(character.to_lowercase());
        } else {
            end(&mut word);
        }
    }
    end(&mut word);
    words
}

/// Kana, Han, Thai, Lao, Khmer and Burmese.
fn stands_alone(character: char) -> bool {
    matches!(u32::from(character),
        0x3040..=0x30FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF
        | 0x0E00..=0x0EFF | 0x1780..=0x17FF | 0x1000..=0x109F)
        && character.is_alphanumeric()
}

/// The hashes of all runs of `n` words, in order; none when there are fewer words.
pub(crate) fn runs(words: &[u64], n: usize) -> impl Iterator<Item = u64> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let n_runs = (words.len() + 1).saturating_sub(n.max(1));
    (0..n_runs).map(move |at| xxh3_64(&bytes[8 * at..8 * (at + n)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, same: &str) {
        assert_eq!(words(text), words(same), "{text:?} and {same:?}");
    }

    #[test]
    fn case_and_punctuation_make_no_difference() {
        check("The cat, sat—on\nthe MAT!", "the cat sat on the mat");
        check("", " .,;\n");
        assert_ne!(words("the cat"), words("thecat"));
        assert_eq!(words("3.14 mol/L").len(), 4);
        // Without spaces, every character is a word.
        assert_eq!(words("水は透明 water").len(), 5);
    }

    #[test]
    fn runs_are_all_of_their_length() {
        let text = words("one two three four five");
        assert_eq!(runs(&text, 3).count(), 3);
        assert_eq!(
            runs(&text, 5).collect::<Vec<_>>(),
            runs(&words("One two three four five."), 5).collect::<Vec<_>>()
        );
        assert_eq!(runs(&text, 6).count(), 0);
        assert_ne!(runs(&text, 2).next(), runs(&words("two one"), 2).next());
    }
}
