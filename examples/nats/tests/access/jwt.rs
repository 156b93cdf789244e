//! What a backend signs for NATS servers: JWTs of an operator, of his account, and of its users.

use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;
use serde_json::{Value, json};
use subrosa_delivery::nats::Permissions;

/// An operator with one account.
pub(crate) struct Issuer {
    operator: KeyPair,
    account: KeyPair,
    /// Servers with JetStream want one for themselves.
    system: KeyPair,
}

impl Issuer {
    pub(crate) fn new() -> Self {
        Self {
            operator: KeyPair::new_operator(),
            account: KeyPair::new_account(),
            system: KeyPair::new_account(),
        }
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
        let [account, system] = [(&self.account, with_jetstream), (&self.system, everything)]
            .map(|(it, limits)| sign(&self.operator, it, json!({ "type": "account", "limits": limits })));
        let [account_key, system_key] = [&self.account, &self.system].map(KeyPair::public_key);
        format!(
            "host: $SUBROSA_HOST\nport: $SUBROSA_PORT\nmax_payload: 2MB\njetstream {{ store_dir: $SUBROSA_STORE }}\n\
             operator: \"{operator}\"\nsystem_account: {system_key}\nresolver: MEMORY\n\
             resolver_preload: {{ {account_key}: \"{account}\", {system_key}: \"{system}\" }}\n"
        )
    }

    /// The content of a `.creds` file for somebody with these permissions.
    pub(crate) fn credentials(&self, permissions: &Permissions) -> String {
        let user = KeyPair::new_user();
        let claims = json!({
            "type": "user", "subs": -1, "data": -1, "payload": -1,
            "pub": { "allow": permissions.publish }, "sub": { "allow": permissions.subscribe },
        });
        let jwt = sign(&self.account, &user, claims);
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
