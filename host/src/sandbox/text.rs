//! Text of a plugin as it may be shown: bounded, and without what acts on a terminal or turns the order of letters.

/// Whether a letter does something to the place where it is shown: controls, and those that override the direction of
/// the letters around them (Unicode Standard Annex 9, section 2).
pub fn acts(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text on one line, cut after so many characters.
pub fn one_line(text: &str, characters: usize) -> String {
    text.chars().map(|letter| if acts(letter) { ' ' } else { letter }).take(characters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_where_it_is_shown_becomes_a_blank() {
        assert_eq!(one_line("a\u{1b}[2J\0\n\u{9b}b\u{202e}c\u{2066}\u{e9}", 100), "a [2J   b c \u{e9}");
        assert_eq!(one_line("abc", 2), "ab");
    }
}
