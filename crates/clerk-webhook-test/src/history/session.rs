//! Sessions.

#[derive(Debug)]
pub(super) struct Session {
    pub(super) person: u32,
    pub(super) id: String,
    pub(super) client_id: String,
    pub(super) status: &'static str,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
}
