//! The causes for which verification fails, with advice for each.

/// Generates the enum, its codes and its advice from one table.
macro_rules! causes {
    ($( $cause:ident = $code:literal, $advice:literal; )+) => {
        /// The reason why a delivery is not authentic. JSON.md explains each of them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Cause { $( $cause, )+ }

        impl Cause {
            /// All causes, in the order of JSON.md.
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[ $( Self::$cause, )+ ];

            /// Returns the stable name for programs.
            pub(crate) fn code(self) -> &'static str {
                match self { $( Self::$cause => $code, )+ }
            }

            /// Returns what to do next, in complete sentences.
            pub(crate) fn advice(self) -> &'static str {
                match self { $( Self::$cause => $advice, )+ }
            }
        }
    };
}

causes! {
    MissingHeader = "missing_header",
        "Clerk sends all three headers. Check whether a proxy or gateway drops unknown headers.";
    EmptyHeader = "empty_header", "Find the proxy or the code that overwrites this header.";
    RepeatedHeader = "repeated_header", "Find the proxy that appends the headers instead of replacing them.";
    JoinedHeader = "joined_header",
        "Find the proxy that repeats the headers: a later proxy joins repeated values with a comma.";
    MixedFamilies = "mixed_header_families",
        "Forward all three headers under their original names: a verifier never combines both families.";
    RenamedHeader = "renamed_header", "Forward the headers as svix-id, svix-timestamp and svix-signature.";
    QuotedHeader = "quoted_header",
        "Send the value without quotes. Scripts that build headers from JSON often include them.";
    MalformedHeader = "malformed_header",
        "Compare the header with the one that the Clerk Dashboard shows, and find what changes it.";
    SignatureWithoutVersion = "signature_without_version", "Write v1, before the base64 of the signature.";
    SignatureSeparator = "signature_separator",
        "Write v1,<base64> without spaces, and separate several signatures by a space.";
    SignatureOtherVersion = "signature_other_version", "Write v1, before the signature. Versions are case-sensitive.";
    OnlyAsymmetricSignatures = "only_asymmetric_signatures",
        "Sign with a shared secret (whsec_…), as Clerk does. Ed25519 signatures are not supported.";
    SignatureUrlSafe = "signature_url_safe",
        "Encode the signature with the standard base64 alphabet, which contains + and /.";
    SignatureUnpadded = "signature_unpadded", "Keep the = at the end of the signature.";
    SignatureHex = "signature_hex", "Encode the signature as base64 instead of hexadecimal.";
    SignaturePercentEncoded = "signature_percent_encoded",
        "Do not URL-encode header values, or decode them before you forward them.";
    SignatureUnreadable = "signature_unreadable", "Send v1, followed by the HMAC-SHA-256 in base64 (44 characters).";
    TimestampInMilliseconds = "timestamp_in_milliseconds",
        "Send and sign the timestamp in whole seconds. In JavaScript: Math.floor(Date.now() / 1000).";
    TimestampAsDate = "timestamp_as_date", "Send and sign the timestamp in whole seconds since 1970 instead of a date.";
    TimestampWithFraction = "timestamp_with_fraction",
        "Send and sign the timestamp in whole seconds. In Python: int(time.time()).";
    MalformedTimestamp = "malformed_timestamp",
        "Send the timestamp in whole seconds since 1970, as digits without a sign or leading zeros.";
    TimestampTooOld = "timestamp_too_old",
        "If the delivery has just been received, correct this machine's clock. For an older capture, use \
         `clerk-webhook verify` with the time of its receipt as --now, or with --any-age. Retries by Svix and resends \
         from the Clerk Dashboard have a new timestamp and a new signature.";
    TimestampTooNew = "timestamp_too_new", "Correct this machine's clock or the sender's clock.";
    SignedBodyOnly = "signed_body_only", "Sign <id>.<timestamp>.<body>.";
    SignedWithoutId = "signed_without_id",
        "Sign <id>.<timestamp>.<body>. The schemes of other webhook senders omit the id.";
    SignedWithoutTimestamp = "signed_without_timestamp", "Sign <id>.<timestamp>.<body>, including the timestamp.";
    SignedInOtherOrder = "signed_in_other_order", "Sign <id>.<timestamp>.<body> in this order.";
    SignedWithOtherSeparator = "signed_with_other_separator", "Sign <id>.<timestamp>.<body>, separated by dots.";
    SignedMilliseconds = "signed_milliseconds",
        "Compute the timestamp once, in whole seconds, and use it for the header and the signed text.";
    SecretNotDecoded = "secret_not_decoded",
        "Remove the prefix whsec_, decode the rest as base64, and use the resulting bytes as the key.";
    SecretPrefixDecoded = "secret_prefix_decoded", "Remove the prefix whsec_ before you decode the rest as base64.";
    SecretEncodedOnceMore = "secret_encoded_once_more",
        "Decode the configured secret from base64 once, and configure the result. In a Kubernetes manifest, `data:` \
         needs base64 and `stringData:` needs the plain text.";
    SecretWithLineBreak = "secret_with_line_break",
        "Trim the secret after you read it. Files often end in a line break, and echo adds one.";
    SecretAsHex = "secret_as_hex", "Use the bytes of the base64-decoded secret as the key, not their hexadecimal form.";
    TrailingNewlineAdded = "trailing_newline_added",
        "Find what writes the body as a line: an editor, echo, println or a heredoc. Store and send the bytes \
         unchanged (curl --data-binary @file).";
    TrailingNewlineRemoved = "trailing_newline_removed",
        "Do not trim the body or read it as a line. `curl -d @file` drops line breaks; `--data-binary @file` does not.";
    LineBreaksChanged = "line_breaks_changed",
        "Keep the body as bytes: files in text mode, git's autocrlf and some editors convert line breaks.";
    LineBreaksDropped = "line_breaks_dropped",
        "Send the file with `curl --data-binary @file`. `curl -d @file` drops every line break of the file.";
    WhiteSpaceAdded = "white_space_added",
        "Find what adds white space around the body, such as a template or a log line.";
    ByteOrderMarkAdded = "byte_order_mark_added",
        "Write the body without a byte-order mark. PowerShell and .NET's Encoding.UTF8 add one.";
    JsonSpacingChanged = "json_spacing_changed",
        "The body was parsed as JSON and serialized again. Verify the raw bytes before you parse them (express.raw() \
         instead of express.json(), request.get_data() in Flask, request.body in Django, Bytes in Axum).";
    JsonKeysReordered = "json_keys_reordered",
        "The body was parsed into a map and serialized again. Verify the raw bytes before you parse them: PostgreSQL's \
         jsonb and the maps of many languages do not preserve the order of keys.";
    JsonEscapesChanged = "json_escapes_changed",
        "The body was parsed and serialized again (json_encode in PHP, json.dumps in Python, json.Marshal in Go). \
         Verify the raw bytes before you parse them (php://input, request.get_data(), io.ReadAll).";
    JsonEncodedTwice = "json_encoded_twice",
        "Send the string itself: it was already a string when JSON.stringify or json.dumps encoded it.";
    JsonWrapped = "json_wrapped",
        "Verify the member that contains the body (event.body on AWS Lambda), not the gateway's event.";
    BytesAsNumbers = "bytes_as_numbers",
        "Verify the Buffer itself instead of its JSON. Do not pass a Buffer to JSON.stringify.";
    BytesAsText = "bytes_as_text", "Pass the bytes themselves instead of str(body), or decode them with body.decode().";
    ObjectAsText = "object_as_text",
        "The original body cannot be restored from this text. Verify the raw bytes before anything parses them \
         (express.raw() instead of express.json(), request.get_data() in Flask, request.body in Django, io.ReadAll in \
         Go).";
    BodyNotRead = "body_not_read",
        "The original body cannot be restored from this text. Read the body before the verification, and wait for the \
         result: await request.text() in fetch-style frameworks, express.raw() in Express.";
    Base64Encoded = "base64_encoded",
        "Decode the body before verification. API Gateway sets isBase64Encoded in this case.";
    FormEncoded = "form_encoded",
        "Forward the body unchanged. With curl, use --data-binary and content-type application/json.";
    CharsetChanged = "charset_changed", "Keep the body as bytes, or read and write it as UTF-8.";
    Compressed = "compressed",
        "Decompress the body before verification. Svix sends it uncompressed, so a proxy compressed it.";
    BytesAppended = "bytes_appended",
        "Keep exactly the received bytes: a reused buffer, a log line or a script adds others.";
    BytesPrepended = "bytes_prepended",
        "Find what writes before the body: a warning, a log prefix, or a prefix against JSON hijacking.";
    Truncated = "truncated",
        "Read the complete body. Check for a size limit, a single read() from a socket, and a log that truncates.";
    BodyEmpty = "body_empty", "Read the body before any middleware does: a request body can be read only once.";
    NothingFits = "nothing_fits",
        "Verify another delivery to the same endpoint with the same secret. If it is authentic, something changed this \
         request: capture the raw bytes where the request arrives (clerk-webhook listen --record), with all headers of \
         the same attempt. If no delivery is authentic, compare the secret with the endpoint's signing secret in the \
         Clerk Dashboard.";
}

/// A problem of a delivery, stated as a fact without advice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) cause: Cause,
    /// A clause without a capital letter or a final period. Contains nothing secret.
    pub(super) fact: String,
}

impl Finding {
    pub(super) fn new(cause: Cause, fact: impl Into<String>) -> Self {
        Self { cause, fact: fact.into() }
    }
}
