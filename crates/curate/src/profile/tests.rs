use super::*;
use crate::testing::{corpus, nobody};

#[test]
fn a_profile_counts_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let english = "The river ran slowly past the old mill, and nobody in the village had seen the miller since the spring.";
    let german = "Der Fluss floss langsam an der alten Mühle vorbei, und niemand im Dorf hatte den Müller seit dem Frühling gesehen.";
    let texts = [english, german, english, "12 34"];
    let (manifest, corpus) = corpus(folder.path(), "a", &texts);
    let profiles = profile(&[manifest], &[&corpus], nobody()).unwrap();
    let [found] = &profiles[..] else { panic!("one profile, not {profiles:?}") };
    assert_eq!((found.rows, found.documents, found.duplicates), (4, 4, 1));
    assert_eq!(found.bytes, texts.iter().map(|text| text.len() as u64).sum::<u64>());
    let characters: u64 = texts.iter().map(|text| text.chars().count() as u64).sum();
    assert_eq!(found.characters, characters);
    let languages: Vec<_> =
        found.languages.iter().map(|of| (of.language.as_str(), of.documents)).collect();
    assert_eq!(languages, [("eng", 2), ("deu", 1), ("unknown", 1)]);
    let bins: Vec<_> = found.lengths.iter().map(|bin| (bin.from, bin.documents)).collect();
    assert_eq!(bins, [(4, 1), (64, 3)]);
    assert_eq!(found.licence, "CC0-1.0");
}

#[test]
fn lengths_fall_into_powers_of_two() {
    let mut lengths = Lengths::default();
    for length in [0, 1, 2, 3, 4, 7, 8, u64::from(u32::MAX)] {
        lengths.add(length);
    }
    let bins: Vec<_> = lengths.bins().iter().map(|bin| (bin.from, bin.documents)).collect();
    assert_eq!(bins, [(0, 1), (1, 1), (2, 2), (4, 2), (8, 1), (1 << 31, 1)]);
}
