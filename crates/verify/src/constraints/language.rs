//! In which language an answer is.

use whatlang::Lang;

/// Whether a text is most likely in a language of ISO 639-1; one too short to tell is in any, as IFEval has it.
///
/// # Errors
/// A language that cannot be told.
pub(super) fn is_written(text: &str, code: &str) -> Result<bool, String> {
    let expected =
        language(code).ok_or_else(|| format!("its language `{code}` is not known here"))?;
    Ok(whatlang::detect_lang(text).is_none_or(|found| found == expected))
}

/// Those of the data set; Swahili is not among those that can be told.
fn language(code: &str) -> Option<Lang> {
    Some(match code {
        "ar" => Lang::Ara,
        "bg" => Lang::Bul,
        "bn" => Lang::Ben,
        "de" => Lang::Deu,
        "en" => Lang::Eng,
        "es" => Lang::Spa,
        "fa" => Lang::Pes,
        "fi" => Lang::Fin,
        "fr" => Lang::Fra,
        "gu" => Lang::Guj,
        "he" => Lang::Heb,
        "hi" => Lang::Hin,
        "it" => Lang::Ita,
        "ja" => Lang::Jpn,
        "kn" => Lang::Kan,
        "ko" => Lang::Kor,
        "ml" => Lang::Mal,
        "mr" => Lang::Mar,
        "ne" => Lang::Nep,
        "pa" => Lang::Pan,
        "pl" => Lang::Pol,
        "pt" => Lang::Por,
        "ru" => Lang::Rus,
        "ta" => Lang::Tam,
        "te" => Lang::Tel,
        "th" => Lang::Tha,
        "uk" => Lang::Ukr,
        "ur" => Lang::Urd,
        "vi" => Lang::Vie,
        _ => return None,
    })
}
