//! What a code is computed from, and what it is compared with.

use super::*;

const CALL: CallId = CallId(*b"a call id of 16 ");
const AUTHENTICATOR: [u8; 32] = [7; 32];
const ANN: (&[u8], &[u8]) = (&[1; 32], b"\x01\x00Ann");
const BOB: (&[u8], &[u8]) = (&[2; 32], b"\x01\x00Bob");

fn read(text: &str) -> ReadCode {
    ReadCode::parse(text).expect("a code")
}

/// Codes without the work.
fn codes() -> [SafetyCode; 2] {
    let output = core::array::from_fn(|at| (at as u8).wrapping_mul(151).wrapping_add(29));
    [Of::Call, Of::Pair].map(|of| SafetyCode::new(of, &output))
}

fn forms(code: &SafetyCode) -> Vec<String> {
    core::iter::once(code.digits()).chain(code.words()).collect()
}

// The values come from elsewhere: Python, with the reference implementation of Argon2 (argon2-cffi 25.1).
#[test]
fn codes_are_what_they_always_were() {
    let call = CodeInput::of_call(CALL, Epoch(7), &AUTHENTICATOR).compute();
    assert_eq!(call.digits(), "09527 03622 35978 59670 40992 97532");
    assert_eq!(
        call.words().as_deref(),
        Some("obey patrol post cheese reflect fuel curtain security response")
    );
    let pair = CodeInput::of_pair(CALL, ANN, BOB).compute();
    assert_eq!(pair.digits(), "45337 01429 30958 10874 30919 01318 10541 00782 36743");
    assert_eq!(pair.words(), None);
}

#[test]
fn another_epoch_and_another_call_have_other_codes() {
    let code = |call, authenticator: &[u8]| CodeInput::of_call(call, Epoch(7), authenticator).compute();
    let codes = [code(CALL, &AUTHENTICATOR), code(CALL, &[8; 32]), code(CallId([0; 16]), &AUTHENTICATOR)];
    for (at, one) in codes.iter().enumerate() {
        for (other_at, other) in codes.iter().enumerate() {
            for form in forms(other) {
                assert_eq!(one.matches(&read(&form)), at == other_at, "{at} {other_at}");
            }
        }
    }
}

#[test]
fn a_pair_has_one_code_from_both_sides() {
    let code = |one, other| CodeInput::of_pair(CALL, one, other).compute().digits();
    assert_eq!(code(ANN, BOB), code(BOB, ANN));

    // The rest needs no computing: the code is a function of what is hashed here, and of the call id.
    let rest = |one, other| *CodeInput::of_pair(CALL, one, other).rest;
    let pair = rest(ANN, BOB);
    assert_eq!(pair, rest(BOB, ANN));
    assert_ne!(pair, rest(ANN, (BOB.0, b"\x01\x00Rob")), "another credential");
    assert_ne!(pair, rest(ANN, (&[3; 32], BOB.1)), "another key");
    assert_ne!(pair, rest((ANN.0, BOB.1), (BOB.0, ANN.1)), "names swapped");
    assert_ne!(pair, rest(ANN, ANN));
    assert_ne!(rest((b"k", b"ey"), BOB), rest((b"ke", b"y"), BOB), "the border moved");
    let call = *CodeInput::of_call(CALL, Epoch(7), &AUTHENTICATOR).rest;
    assert_ne!(call, rest((&AUTHENTICATOR, b""), (b"", b"")), "a pair is not a call");
}

#[test]
fn every_form_is_read_back_however_it_is_written() {
    for code in codes() {
        for form in forms(&code) {
            for messy in [
                form.clone(),
                form.to_uppercase(),
                format!("\n \t{}\r\n", form.replace(' ', "\u{a0}-\n  ")),
                form.replace(' ', "-"),
            ] {
                assert!(code.matches(&read(&messy)), "{messy:?}");
            }
        }
    }
    let [call, pair] = codes();
    assert!(pair.matches(&read(&pair.digits().replace(' ', ""))));
    let pairs_of_digits = call.digits().replace(' ', "").chars().map(|c| format!("{c} ")).collect::<String>();
    assert!(call.matches(&read(&pairs_of_digits)));
    let words = call.words().expect("a call has words");
    let short = words.split(' ').map(|word| word.get(..4).unwrap_or(word)).collect::<Vec<_>>().join(" ");
    assert!(call.matches(&read(&short)), "{short}");
}

// R23: never shorter. A code that is the same but for one group is another code.
#[test]
fn a_single_group_tells_codes_apart() {
    for code in codes() {
        for form in forms(&code) {
            let groups = form.split(' ').collect::<Vec<_>>();
            assert!(matches!(groups.len(), 6 | 9));
            for at in 0..groups.len() {
                let mut changed = groups.clone();
                changed[at] = match groups[at] {
                    "00000" => "00001",
                    "zoo" => "zone",
                    digits if digits.starts_with(char::is_numeric) => "00000",
                    _ => "zoo",
                };
                assert!(!code.matches(&read(&changed.join(" "))), "{at} of {form}");
            }
        }
    }
}

#[test]
fn the_beginning_of_a_pairs_code_is_not_a_calls() {
    let [call, pair] = codes();
    assert!(pair.digits().starts_with(&call.digits()), "the same output");
    assert!(!call.matches(&read(&pair.digits())));
    assert!(!pair.matches(&read(&call.digits())));
    assert!(!pair.matches(&read(&call.words().expect("a call has words"))));
}

#[test]
fn the_words_hold_the_bits_after_the_digits() {
    let mut output = [0; OUTPUT_LEN];
    output[30] = 0b1000_0000; // the first bit of the first word
    output[42] = 0b0011_1111; // the last bit of the last word, and five that are unused
    let words = SafetyCode::new(Of::Call, &output).words().expect("a call has words");
    let [first, last] = [words::word(1 << 10), words::word(1)];
    assert_eq!(words, format!("{first} {}{last}", "abandon ".repeat(7)));
    assert_eq!(SafetyCode::new(Of::Call, &output).digits(), ["00000"; 6].join(" "));
    let full = SafetyCode::new(Of::Pair, &[0xff; OUTPUT_LEN]);
    assert_eq!(full.digits(), ["27775"; 9].join(" "), "2^40 − 1 = 10,995,116 · 100,000 + 27,775");
}

#[test]
fn codes_stay_out_of_logs_and_go_to_other_threads() {
    fn sendable(_: &(impl Send + Sync)) {}
    let input = CodeInput::of_call(CALL, Epoch(7), &AUTHENTICATOR);
    let [code, _] = codes();
    assert_eq!(format!("{input:?} {code:?}"), "CodeInput { .. } SafetyCode { .. }");
    sendable(&input);
    sendable(&code);
}
