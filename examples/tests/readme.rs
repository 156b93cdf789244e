//! The README's first example is the program `two_party`, to the letter.

#[test]
fn the_readme_shows_two_party_as_it_is() {
    let (readme, program) = (include_str!("../../README.md"), include_str!("../two_party.rs"));
    assert!(
        readme.contains(program.trim_end()),
        "the README shows another program than examples/two_party.rs"
    );
}
