//! The example `vouched` lets in whom the identity provider vouches for, and nobody else.

mod program;

use program::example;

#[test]
fn a_token_for_the_guests_own_key_lets_him_in_and_nothing_else_does() {
    let output = example("vouched").output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let lines = said.lines().collect::<Vec<_>>();
    let guests = lines.iter().filter(|line| line.contains(" knocks ")).count();
    assert_eq!(guests, 5, "{said}");
    assert!(said.contains("Alice, who is alice@example.org"), "{said}");
    assert_eq!(lines.iter().filter(|line| line.contains(" is in: ")).count(), 1, "{said}");
    // Each for a reason of its own, and each is told.
    for why in ["the token is for another key", "InvalidToken", "ExpiredSignature", "InvalidAudience"] {
        let at = lines.iter().position(|line| line.ends_with(&format!("the verifier: {why}")));
        let told = at.and_then(|at| lines.get(at + 1)).is_some_and(|line| line.ends_with(" is told: denied"));
        assert!(told, "{why}: {said}");
    }
    assert_eq!(lines.last(), Some(&"in the call: 2"));
}
