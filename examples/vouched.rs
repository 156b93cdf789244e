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
use subrosa::{CallConfig, CallId, Event, FreshKeys, Invite, Profile, Random, Verdict, VouchRequest};
use subrosa_delivery::InProcess;
use subrosa_runtime::{AdmissionError, CallEvent, CallHandle, Client, Events};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

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

/// The host's app: asks the verifier about each guest, and lets in whom it vouches for.
async fn host(call: CallHandle, mut events: Events, provider: DecodingKey) -> Result<()> {
    while let Some(event) = events.next().await {
        match event {
            CallEvent::Call(Event::Vouch(request)) => {
                let verdict = match verify(&provider, call.id(), &request) {
                    Ok(subject) => Verdict::Vouched(subject),
                    Err(why) => {
                        println!("  the verifier: {why}");
                        Verdict::Refused // he is turned away, and the host never sees the knock
                    }
                };
                call.vouch(request.id, verdict).await?;
            }
            CallEvent::Call(Event::Knock(knock)) => {
                println!("  the host sees: {}, who is {}", knock.name, knock.vouched_as.unwrap_or_default());
                call.admit(&[knock.id]).await?;
            }
            CallEvent::Call(Event::Roster(roster)) => call.roster_taken(roster.epoch).await?,
            _ => {}
        }
    }
    Ok(())
}

/// Somebody knocks, and gets his answer.
async fn knock(client: &Client, invite: &Invite, who: &str, keys: FreshKeys, token: &str) -> Result<()> {
    let (name, how) = who.split_once(' ').unwrap_or((who, ""));
    println!("{name} knocks {how}");
    let waiting = client.knock_with(invite.clone(), &Profile::person(name)?, keys, token.as_bytes()).await?;
    match waiting.admitted().await {
        Ok((call, _)) => println!("  {name} is in: {} in the call", call.roster().await?.members.len()),
        Err(AdmissionError::Denied) => println!("  {name} is told: denied"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let (issuing, provider) = eddsa::key_pair()?;
    let client = Client::new(InProcess::default());

    let config = CallConfig { vouching: true, ..CallConfig::default() };
    let (call, events) = client.create(&Profile::person("Host")?, &config).await?;
    let (id, invite) = (call.id(), call.invite().await?);
    tokio::spawn(host(call.clone(), events, provider));

    let (soon, before) = (get_current_timestamp() + 300, get_current_timestamp() - 300);
    let keys = || FreshKeys::generate(&Random::os());

    let alices = keys()?;
    let for_alice = token(&issuing, "alice@example.org", alices.signature_key(), id, soon)?;
    knock(&client, &invite, "Alice with her token", alices, &for_alice).await?;
    knock(&client, &invite, "Alice (so says Mallory) with Alice's token", keys()?, &for_alice).await?;
    knock(&client, &invite, "Bob without a token", keys()?, "").await?;
    let carols = keys()?;
    let expired = token(&issuing, "carol@example.org", carols.signature_key(), id, before)?;
    knock(&client, &invite, "Carol with an expired token", carols, &expired).await?;
    let daves = keys()?;
    let elsewhere = token(&issuing, "dave@example.org", daves.signature_key(), CallId([7; 16]), soon)?;
    knock(&client, &invite, "Dave with a token for another call", daves, &elsewhere).await?;

    let members = call.roster().await?.members.len();
    println!("in the call: {members}");
    if members == 2 { Ok(()) } else { Err("somebody else came in".into()) }
}
