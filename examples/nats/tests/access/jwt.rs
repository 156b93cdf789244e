//! What a backend signs for NATS servers: JWTs of an operator, of his account, and of its users.

use std::collections::BTreeMap;

use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;
use serde_json::{Value, json};
use subrosa_delivery::nats::Permissions;

/// An operator with an account for each room.
pub(crate) struct Issuer {
    operator: KeyPair,
    accounts: BTreeMap<&'static str, KeyPair>,
    /// Servers with JetStream want one for themselves.
    system: KeyPair,
}

impl Issuer {
    pub(crate) fn new<const N: usize>(rooms: [&'static str; N]) -> Self {
        let accounts = rooms.map(|room| (room, KeyPair::new_account())).into();
        Self { operator: KeyPair::new_operator(), accounts, system: KeyPair::new_account() }
    }

    /// For servers that believe this operator.
    pub(crate) fn server_config(&self) -> String {
        let operator = sign(&self.operator, &self.operator, json!({ "type": "operator" }));
        let everything = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
        });
        let mut with_jetstream = everything.clone();
        for limit in ["mem_storage", "disk_storage", "streams", "consumer"] {
            with_jetstream[limit] = json!(-1);
        }
        let account = |account: &KeyPair, limits: &Value| {
            let jwt = sign(&self.operator, account, json!({ "type": "account", "limits": limits }));
            format!("{}: \"{jwt}\"\n", account.public_key())
        };
        let accounts = self.accounts.values().map(|it| account(it, &with_jetstream)).collect::<String>();
        format!(
            "host: $SUBROSA_HOST\nport: $SUBROSA_PORT\nmax_payload: 2MB\njetstream {{ store_dir: $SUBROSA_STORE }}\n\
             operator: \"{operator}\"\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{\n{accounts}{}}}\n",
            self.system.public_key(),
            account(&self.system, &everything)
        )
    }

    /// The content of a `.creds` file for somebody of a room with these permissions.
    pub(crate) fn credentials(&self, room: &str, permissions: &Permissions) -> String {
        let user = KeyPair::new_user();
        let claims = json!({
            "type": "user", "subs": -1, "data": -1, "payload": -1,
            "pub": { "allow": permissions.publish }, "sub": { "allow": permissions.subscribe },
        });
        let jwt = sign(&self.accounts[room], &user, claims);
        let seed = user.seed().expect("it was just made");
        format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        )
    }
}

fn sign(by: &KeyPair, about: &KeyPair, mut nats: Value) -> String {
    nats["version"] = json!(2);
    let claims = json!({
        "jti": about.public_key(), "iat": 1_700_000_000, "iss": by.public_key(), "sub": about.public_key(), "name": "Subrosa",
        "nats": nats,
    });
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let text = format!("{}.{}", encode(&header), encode(&claims));
    let signature = by.sign(text.as_bytes()).expect("it has its seed");
    format!("{text}.{}", BASE64URL_NOPAD.encode(&signature))
}
