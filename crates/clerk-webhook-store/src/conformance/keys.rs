use clerk_webhook_core::MessageId;

use super::client::LONG;
use super::leases::held;
use super::rule::Rule;
use super::{Harness, Suite};
use crate::store::claim::Claim;
use crate::store::key::{DeliveryKey, Scope};

impl<H: Harness> Suite<'_, H> {
    /// Two deliveries of the same message to different endpoints are independent.
    pub async fn scopes_are_separate(&self) {
        let client = self.client().await;
        let id = self.new_key().message_id().clone();
        // Some keys differ only in the position where the scope ends and the id begins.
        let (long, longer) = ("s".repeat(Scope::MAX_LENGTH - 1), "s".repeat(Scope::MAX_LENGTH));
        let keys = [
            ("sync", format!("{id}")),
            ("mail", format!("{id}")),
            ("Mail", format!("{id}")),
            ("mail", format!("/{id}")),
            ("mail/", format!("{id}")),
            ("mail", format!("_{id}")),
            ("mail_", format!("{id}")),
            ("mai", format!("l{id}")),
            (&long, format!("s{id}")),
            (&longer, format!("{id}")),
        ];
        let keys = keys.map(|(scope, id)| match (scope.parse(), id.parse()) {
            (Ok(scope), Ok(id)) => DeliveryKey::new(scope, id),
            _ => unreachable!("the suite created an invalid key: {scope} or {id}"),
        });
        self.are_apart(&client, &keys, Rule::Scopes).await;
    }

    /// Message ids that differ only in the last character are different, up to the maximum length.
    ///
    /// The check uses every allowed character, and texts that some databases treat as escapes.
    pub async fn keys_are_exact(&self) {
        let client = self.client().await;
        let scope: Scope = "s".repeat(Scope::MAX_LENGTH).parse().unwrap_or_default();
        let characters = (b'!'..=b'~').map(char::from).filter(|character| *character != '.');
        let mut keys: Vec<_> = characters.map(|end| self.key(Scope::clone(&scope), end)).collect();
        for end in ["%s", "$1", "{0}", "''", "\\\\", "\\n", "\\0", "a:b", "{a}:b", "null", "--", "*/"] {
            keys.push(self.key(scope.clone(), format_args!("_{end}")));
        }
        let shortest = self.key(scope.clone(), "").message_id().as_str().len();
        for filler in ["x", "\\", "'", "\"", "%", "{"] {
            let longest = filler.repeat(MessageId::MAX_LENGTH - shortest - 1);
            keys.extend(["a", "b"].map(|end| self.key(scope.clone(), format_args!("{longest}{end}"))));
        }
        self.are_apart(&client, &keys, Rule::Keys).await;
    }

    /// Checks that completing or releasing the delivery with one key does not change the delivery with
    /// another key.
    async fn are_apart(&self, client: &super::Client<H::Store>, keys: &[DeliveryKey], rule: Rule) {
        let mut leases = Vec::new();
        for key in keys {
            match client.claim(key, LONG).await {
                Claim::Acquired(lease) => leases.push(lease),
                claim => rule.broken(format_args!("{key} is new, but the claim returned {claim:?}")),
            }
        }
        // Completes every second delivery, and releases the others.
        for (index, lease) in leases.iter().enumerate() {
            if index % 2 == 0 {
                held(client.complete(lease).await, "an owner completed");
            } else {
                held(client.release(lease).await, "an owner released");
            }
        }
        for (index, key) in keys.iter().enumerate() {
            let claim = client.claim(key, LONG).await;
            match (&claim, index % 2) {
                (Claim::Duplicate { .. }, 0) | (Claim::Acquired(_), 1) => {}
                (_, 0) => rule.broken(format_args!("{key} is completed, but the claim returned {claim:?}")),
                _ => rule.broken(format_args!("{key} is released, but the claim returned {claim:?}")),
            }
        }
    }
}
