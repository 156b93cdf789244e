//! Who is who, vouched for by an identity provider that the app trusts: the display name in a knock is only what a guest says of
//! himself, a signed token is more.
//!
//! The provider signs that a key which somebody made for one call is his (a JWT, RFC 7519, with the key as RFC 7800 has it). He knocks
//! with it, and the host's app asks its verifier before the host sees the knock.

#[path = "vouched/eddsa.rs"]
mod eddsa;

use std::error::Error;

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, get_current_timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use subrosa::{
    Call, CallConfig, CallId, Event, FreshKeys, Guest, HostAnswer, Lane, Message, Output, Profile, Random,
    Time, Verdict, VouchRequest,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const NOW: Time = Time::ZERO; // nothing here takes long
const ISSUER: &str = "https://id.example.org";

/// What the provider signs.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: u64,
    cnf: Value,
}

/// RFC 7800: the token is for whoever holds this key (in the form of RFC 8037).
fn confirmation(signature_key: &[u8; 32]) -> Value {
    json!({ "jwk": { "kty": "OKP", "crv": "Ed25519", "x": BASE64URL_NOPAD.encode(signature_key) } })
}

/// A token is good for one call, so that it is of no use to whoever sees it in another.
fn audience(call: CallId) -> String {
    format!("subrosa:{}", BASE64URL_NOPAD.encode(&call.0))
}

/// The identity provider, after it has seen who somebody is. In reality another machine.
fn token(provider: &EncodingKey, subject: &str, key: [u8; 32], call: CallId, exp: u64) -> Result<String> {
    let (iss, sub, aud) = (ISSUER.to_owned(), subject.to_owned(), audience(call));
    let claims = Claims { iss, sub, aud, exp, cnf: confirmation(&key) };
    Ok(jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, provider)?)
}

/// The verifier of the host's app, which knows the provider's public key.
fn verify(provider: &DecodingKey, call: CallId, request: &VouchRequest) -> Result<String> {
    let mut expected = Validation::new(Algorithm::EdDSA); // this algorithm and no other
    expected.set_issuer(&[ISSUER]);
    expected.set_audience(&[audience(call)]);
    expected.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
    expected.leeway = 5; // seconds, for clocks that differ
    let claims = jsonwebtoken::decode::<Claims>(&request.proof, provider, &expected)?.claims;
    // Without this anybody could show anybody's token. That the guest holds the private key, the call has checked.
    if claims.cnf != confirmation(&request.signature_key) {
        return Err("the token is for another key".into());
    }
    Ok(claims.sub)
}

/// The host's side: drains the call, asks the verifier about each guest, and lets in whom it vouches for.
fn drain(host: &mut Call, provider: &DecodingKey) -> Result<Vec<Message>> {
    let mut to_send = Vec::new();
    loop {
        match host.poll_output() {
            Output::Event(Event::Vouch(request)) => {
                let verdict = match verify(provider, host.id(), &request) {
                    Ok(subject) => Verdict::Vouched(subject),
                    Err(why) => {
                        println!("  the verifier: {why}");
                        Verdict::Refused // he is turned away, and the host never sees the knock
                    }
                };
                host.vouch(request.id, verdict, NOW)?;
            }
            Output::Event(Event::Knock(knock)) => {
                println!("  the host sees: {}, who is {}", knock.name, knock.vouched_as.unwrap_or_default());
                host.admit(&[knock.id], NOW)?;
            }
            Output::Event(Event::Roster(roster)) => host.roster_taken(roster.epoch, NOW)?,
            Output::Send(message) => to_send.push(message),
            Output::Event(_) => {}
            Output::Timeout(_) => return Ok(to_send),
        }
    }
}

/// Somebody knocks, and gets his answer. (Between them a delivery service; here the messages are just handed over.)
fn knock(host: &mut Call, provider: &DecodingKey, who: &str, keys: FreshKeys, token: &str) -> Result<()> {
    let (name, how) = who.split_once(' ').unwrap_or((who, ""));
    println!("{name} knocks {how}");
    let profile = Profile::person(name)?;
    let (guest, knock) = Guest::knock_with(host.invite(), &profile, keys, token.as_bytes(), Random::os())?;
    let mut messages = vec![knock];
    while !messages.is_empty() {
        for message in std::mem::take(&mut messages) {
            if message.lane != Lane::Mailbox(guest.answer_mailbox()) {
                host.handle_message(&message, NOW)?; // the knock; the host's own commit and talk, read back
                messages.extend(drain(host, provider)?);
                continue;
            }
            let HostAnswer::Admitted(admission) = guest.open_answer(&message.payload)? else {
                println!("  {name} is told: denied");
                return Ok(());
            };
            let call = guest.accept(admission, NOW)?;
            println!("  {name} is in: {} in the call", call.roster().members.len());
            return Ok(());
        }
    }
    Err("no answer".into())
}

fn main() -> Result<()> {
    let (issuing, provider) = eddsa::key_pair()?;

    let config = CallConfig { vouching: true, ..CallConfig::default() };
    let mut host = Call::create(&Profile::person("Host")?, &config, Random::os(), NOW)?;
    drain(&mut host, &provider)?;

    let call = host.id();
    let (soon, before) = (get_current_timestamp() + 300, get_current_timestamp() - 300);
    let keys = || FreshKeys::generate(&Random::os());

    let alices = keys()?;
    let for_alice = token(&issuing, "alice@example.org", alices.signature_key(), call, soon)?;
    knock(&mut host, &provider, "Alice with her token", alices, &for_alice)?;
    knock(&mut host, &provider, "Alice (so says Mallory) with Alice's token", keys()?, &for_alice)?;
    knock(&mut host, &provider, "Bob without a token", keys()?, "")?;
    let carols = keys()?;
    let expired = token(&issuing, "carol@example.org", carols.signature_key(), call, before)?;
    knock(&mut host, &provider, "Carol with an expired token", carols, &expired)?;
    let daves = keys()?;
    let elsewhere = token(&issuing, "dave@example.org", daves.signature_key(), CallId([7; 16]), soon)?;
    knock(&mut host, &provider, "Dave with a token for another call", daves, &elsewhere)?;

    println!("in the call: {}", host.roster().members.len());
    if host.roster().members.len() == 2 { Ok(()) } else { Err("somebody else came in".into()) }
}
