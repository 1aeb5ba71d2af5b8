//! Users in Clerk's format. The fields are in the order of Clerk's JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::event_log::EventLog;

/// Metadata. Numbered names are enough to make changes visible.
pub(super) type Metadata = BTreeMap<&'static str, u64>;

/// A list that is always empty.
pub(super) type Nothing = [(); 0];

pub(super) const IMAGE: &str = "https://img.clerk.com/eyJ0eXBlIjoiZGVmYXVsdCJ9";
const UPLOADED: &str = "https://img.clerk.com/eyJ0eXBlIjoicHJveHkifQ";

const FIRST_NAMES: [&str; 16] = [
    "Ada",
    "Alan",
    "Barbara",
    "Blaise",
    "Émilie",
    "Edsger",
    "Grace",
    "Hedy",
    "Ibn",
    "John",
    "Katherine",
    "Lise",
    "Mary",
    "Srinivasa",
    "Zoë",
    "李",
];
const LAST_NAMES: [&str; 16] = [
    "Dijkstra",
    "du Châtelet",
    "Hopper",
    "Johnson",
    "Jones",
    "Lamarr",
    "Liskov",
    "Lovelace",
    "Meitner",
    "Müller",
    "O'Neil",
    "Pascal",
    "Ramanujan",
    "Turing",
    "von Neumann",
    "Ørsted",
];
const MAIL_DOMAINS: [&str; 5] =
    ["example.com", "example.net", "example.org", "mail.example", "students.example"];
const LOCALES: [&str; 4] = ["de-DE", "en-US", "fr-FR", "ja-JP"];

#[derive(Clone, Debug, Serialize)]
pub(super) struct Person {
    backup_code_enabled: bool,
    pub(super) banned: bool,
    create_organization_enabled: bool,
    create_organizations_limit: Option<u32>,
    pub(super) created_at: i64,
    delete_self_enabled: bool,
    pub(super) deprovisioned: bool,
    pub(super) email_addresses: Vec<EmailAddress>,
    enterprise_accounts: Nothing,
    external_accounts: Vec<ExternalAccount>,
    pub(super) external_id: Option<String>,
    pub(super) first_name: Option<&'static str>,
    pub(super) has_image: bool,
    pub(super) id: String,
    pub(super) image_url: &'static str,
    pub(super) last_active_at: Option<i64>,
    pub(super) last_name: Option<&'static str>,
    pub(super) last_sign_in_at: Option<i64>,
    legal_accepted_at: Option<i64>,
    locale: Option<&'static str>,
    locked: bool,
    lockout_expires_in_seconds: Option<u32>,
    mfa_disabled_at: Option<i64>,
    mfa_enabled_at: Option<i64>,
    object: &'static str,
    passkeys: Nothing,
    password_enabled: bool,
    password_last_updated_at: Option<i64>,
    pub(super) phone_numbers: Vec<PhoneNumber>,
    pub(super) primary_email_address_id: Option<String>,
    pub(super) primary_phone_number_id: Option<String>,
    primary_web3_wallet_id: Option<String>,
    private_metadata: Metadata,
    profile_image_url: &'static str,
    public_metadata: Metadata,
    saml_accounts: Nothing,
    totp_enabled: bool,
    two_factor_enabled: bool,
    unsafe_metadata: Metadata,
    pub(super) updated_at: i64,
    pub(super) username: Option<String>,
    verification_attempts_remaining: u32,
    web3_wallets: Vec<Web3Wallet>,
    /// The organizations of which this person is a member.
    #[serde(skip)]
    pub(super) organizations: Vec<u32>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct EmailAddress {
    created_at: i64,
    pub(super) email_address: String,
    pub(super) id: String,
    linked_to: Vec<Link>,
    matches_sso_connection: bool,
    object: &'static str,
    reserved: bool,
    updated_at: i64,
    verification: Verification,
}

#[derive(Clone, Debug, Serialize)]
struct Link {
    id: String,
    r#type: &'static str,
}

#[derive(Clone, Debug, Serialize)]
struct Verification {
    attempts: Option<u32>,
    expire_at: Option<i64>,
    object: &'static str,
    status: &'static str,
    strategy: &'static str,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct PhoneNumber {
    backup_codes: Option<Nothing>,
    created_at: i64,
    default_second_factor: bool,
    pub(super) id: String,
    linked_to: Nothing,
    object: &'static str,
    pub(super) phone_number: String,
    reserved: bool,
    reserved_for_second_factor: bool,
    updated_at: i64,
    verification: Verification,
}

#[derive(Clone, Debug, Serialize)]
struct Web3Wallet {
    created_at: i64,
    id: String,
    object: &'static str,
    updated_at: i64,
    verification: Verification,
    web3_wallet: String,
}

#[derive(Clone, Debug, Serialize)]
struct ExternalAccount {
    approved_scopes: &'static str,
    avatar_url: &'static str,
    created_at: i64,
    email_address: String,
    email_address_verified: bool,
    family_name: Option<&'static str>,
    given_name: Option<&'static str>,
    google_id: String,
    id: String,
    identification_id: String,
    image_url: &'static str,
    object: &'static str,
    picture: &'static str,
    provider: &'static str,
    provider_user_id: String,
    public_metadata: Metadata,
    updated_at: i64,
    verification: Verification,
}

/// How a person signs up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Means {
    Email,
    Google,
    Phone,
    Wallet,
}

impl Verification {
    fn code(object: &'static str, strategy: &'static str, now: i64) -> Self {
        let expire_at = Some(now + 600_000);
        Self { attempts: Some(1), expire_at, object, status: "verified", strategy }
    }

    fn google(object: &'static str, strategy: &'static str) -> Self {
        Self { attempts: None, expire_at: None, object, status: "verified", strategy }
    }
}

impl EmailAddress {
    pub(super) fn new(log: &mut EventLog, email_address: String, now: i64) -> Self {
        let mut verification = Verification::code("verification_otp", "email_code", now);
        if log.random.percent(10) {
            verification = Verification { attempts: Some(0), status: "unverified", ..verification };
        }
        Self {
            created_at: now,
            email_address,
            id: log.id("idn"),
            linked_to: Vec::new(),
            matches_sso_connection: false,
            object: "email_address",
            reserved: false,
            updated_at: now,
            verification,
        }
    }

    pub(super) fn is_verified(&self) -> bool {
        self.verification.status == "verified"
    }
}

impl PhoneNumber {
    pub(super) fn new(log: &mut EventLog, now: i64) -> Self {
        Self {
            backup_codes: None,
            created_at: now,
            default_second_factor: false,
            id: log.id("idn"),
            linked_to: [],
            object: "phone_number",
            // North American numbers that are reserved for examples.
            phone_number: format!("+1202555{:04}", 100 + log.random.below(100)),
            reserved: false,
            reserved_for_second_factor: false,
            updated_at: now,
            verification: Verification::code("verification_otp", "phone_code", now),
        }
    }
}

impl Person {
    /// Creates a person who has just signed up. The number makes addresses and usernames unique.
    pub(super) fn new(log: &mut EventLog, means: Means, number: usize) -> Self {
        let now = log.moment();
        let named = matches!(means, Means::Email | Means::Google);
        let first_name = named.then(|| log.random.pick(&FIRST_NAMES));
        let last_name = (named && log.random.percent(90)).then(|| log.random.pick(&LAST_NAMES));
        let mut person = Self {
            backup_code_enabled: false,
            banned: false,
            create_organization_enabled: true,
            create_organizations_limit: None,
            created_at: now,
            delete_self_enabled: true,
            deprovisioned: false,
            email_addresses: Vec::new(),
            enterprise_accounts: [],
            external_accounts: Vec::new(),
            external_id: log.random.percent(20).then(|| format!("customer-{number}")),
            first_name,
            has_image: false,
            id: log.id("user"),
            image_url: IMAGE,
            last_active_at: Some(now),
            last_name,
            last_sign_in_at: None,
            legal_accepted_at: log.random.percent(50).then_some(now),
            locale: log.random.percent(70).then(|| log.random.pick(&LOCALES)),
            locked: false,
            lockout_expires_in_seconds: None,
            mfa_disabled_at: None,
            mfa_enabled_at: None,
            object: "user",
            passkeys: [],
            password_enabled: means == Means::Email,
            password_last_updated_at: (means == Means::Email).then_some(now),
            phone_numbers: Vec::new(),
            primary_email_address_id: None,
            primary_phone_number_id: None,
            primary_web3_wallet_id: None,
            private_metadata: Metadata::new(),
            profile_image_url: IMAGE,
            public_metadata: Metadata::new(),
            saml_accounts: [],
            totp_enabled: false,
            two_factor_enabled: false,
            unsafe_metadata: Metadata::new(),
            // Clerk updates a new user before it creates the event (22 ms later in a measurement).
            updated_at: log.soon(),
            username: (!named || log.random.percent(20)).then(|| format!("user{number}")),
            verification_attempts_remaining: 100,
            web3_wallets: Vec::new(),
            organizations: Vec::new(),
        };
        match means {
            Means::Email => person.add_email(log, number, now),
            Means::Google => person.add_google(log, number, now),
            Means::Phone => person.add_phone(log, now),
            Means::Wallet => person.add_wallet(log, now),
        }
        person
    }

    pub(super) fn new_address(&self, log: &mut EventLog, number: usize) -> String {
        let name = self.first_name.filter(|name| name.is_ascii()).unwrap_or("someone").to_ascii_lowercase();
        format!("{name}.{number}@{}", log.random.pick(&MAIL_DOMAINS))
    }

    fn add_email(&mut self, log: &mut EventLog, number: usize, now: i64) {
        let address = self.new_address(log, number);
        let email = EmailAddress::new(log, address, now);
        self.primary_email_address_id = Some(email.id.clone());
        self.email_addresses.push(email);
    }

    /// Adds a Google account. An older address that does not belong to the account is first in the list.
    fn add_google(&mut self, log: &mut EventLog, number: usize, now: i64) {
        self.add_email(log, number, now);
        let mut email = EmailAddress::new(log, format!("g{number}@gmail.example"), now);
        let account = log.id("idn");
        let google_id = format!("1{:020}", log.random.below(100_000_000_000));
        email.linked_to.push(Link { id: account.clone(), r#type: "oauth_google" });
        email.verification = Verification::google("verification_from_oauth", "from_oauth_google");
        self.primary_email_address_id = Some(email.id.clone());
        self.external_accounts.push(ExternalAccount {
            approved_scopes: "email openid profile",
            avatar_url: IMAGE,
            created_at: now,
            email_address: email.email_address.clone(),
            email_address_verified: true,
            family_name: self.last_name,
            given_name: self.first_name,
            google_id: google_id.clone(),
            id: account.clone(),
            identification_id: account,
            image_url: IMAGE,
            object: "google_account",
            picture: IMAGE,
            provider: "oauth_google",
            provider_user_id: google_id,
            public_metadata: Metadata::new(),
            updated_at: now,
            verification: Verification::google("verification_oauth", "oauth_google"),
        });
        self.email_addresses.push(email);
    }

    pub(super) fn add_phone(&mut self, log: &mut EventLog, now: i64) {
        let phone = PhoneNumber::new(log, now);
        self.primary_phone_number_id.get_or_insert_with(|| phone.id.clone());
        self.phone_numbers.push(phone);
    }

    fn add_wallet(&mut self, log: &mut EventLog, now: i64) {
        let id = log.id("idn");
        self.primary_web3_wallet_id = Some(id.clone());
        self.web3_wallets.push(Web3Wallet {
            created_at: now,
            id,
            object: "web3_wallet",
            updated_at: now,
            verification: Verification::code("verification_web3", "web3_metamask_signature", now),
            web3_wallet: format!("0x{:016x}{:016x}00ada042", log.random.bits(), log.random.bits()),
        });
    }

    /// Changes a random field.
    pub(super) fn change(&mut self, log: &mut EventLog, now: i64) {
        match log.random.below(8) {
            0 => self.first_name = Some(log.random.pick(&FIRST_NAMES)),
            1 => self.last_name = Some(log.random.pick(&LAST_NAMES)),
            2 => {
                self.has_image = !self.has_image;
                self.image_url = if self.has_image { UPLOADED } else { IMAGE };
                self.profile_image_url = self.image_url;
            }
            3 => self.banned = !self.banned,
            4 => {
                self.locked = !self.locked;
                self.lockout_expires_in_seconds = self.locked.then_some(3600);
            }
            5 => *self.public_metadata.entry("visits").or_default() += 1,
            6 => *self.private_metadata.entry("credit").or_default() += log.random.below(100),
            // A user who is removed from a directory is updated, not deleted.
            _ => self.deprovisioned = !self.deprovisioned,
        }
        self.last_active_at = Some(now);
    }

    /// Returns the identifier that Clerk shows: the email address, phone number or username.
    pub(super) fn identifier(&self) -> Option<&str> {
        let email = self.primary_email().map(|email| email.email_address.as_str());
        let phone = || self.phone_numbers.first().map(|phone| phone.phone_number.as_str());
        email.or_else(phone).or(self.username.as_deref())
    }

    pub(super) fn primary_email(&self) -> Option<&EmailAddress> {
        let id = self.primary_email_address_id.as_ref()?;
        self.email_addresses.iter().find(|email| email.id == *id)
    }

    /// Removes and returns an address that is not the primary one.
    pub(super) fn give_up_address(&mut self) -> Option<String> {
        let primary = self.primary_email_address_id.as_ref();
        let place = self.email_addresses.iter().position(|email| primary != Some(&email.id))?;
        Some(self.email_addresses.remove(place).email_address)
    }
}
