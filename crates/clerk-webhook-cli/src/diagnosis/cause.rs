//! The causes for which verification fails, with advice for each.

use std::fmt;

/// Generates the enum, its codes and its advice from one table.
macro_rules! causes {
    ($( $(#[$doc:meta])* $cause:ident = $code:literal, $advice:literal; )+) => {
        /// The reason why a delivery is not authentic.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Cause {
            $( $(#[$doc])* $cause, )+
        }

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
    /// A signature header is missing.
    MissingHeader = "missing_header",
        "Clerk sends all three headers with every delivery. Check whether a proxy or gateway drops unknown \
         headers, and whether the request was sent by Clerk.";
    /// A signature header has an empty value.
    EmptyHeader = "empty_header",
        "Find the proxy or the code that overwrites this header, and make it forward the original value.";
    /// A signature header occurs more than once.
    RepeatedHeader = "repeated_header",
        "Svix sends each header once. Find the proxy that appends the headers instead of replacing them.";
    /// A proxy or a framework joined several values of a header into one.
    JoinedHeader = "joined_header",
        "Find the proxy that repeats the headers: a later proxy or framework joins repeated values with a \
         comma.";
    /// The headers belong partly to svix-* and partly to webhook-*.
    MixedFamilies = "mixed_header_families",
        "Forward all three headers under their original names. A verifier never combines headers of both \
         families.";
    /// The headers have other names, such as the names that CGI and some gateways produce.
    RenamedHeader = "renamed_header",
        "Forward the headers as svix-id, svix-timestamp and svix-signature.";
    /// A header value is in quotes.
    QuotedHeader = "quoted_header",
        "Send the value without the quotes. Scripts that build headers from JSON often include them by \
         mistake.";
    /// The message id or the list of signatures is malformed.
    MalformedHeader = "malformed_header",
        "Compare the header with the one that the Clerk Dashboard shows for this message, and find what \
         changes it.";

    /// The signature does not begin with `v1,`.
    SignatureWithoutVersion = "signature_without_version",
        "Write v1, before the base64 of the signature.";
    /// The version and the signature are not separated by exactly one comma.
    SignatureSeparator = "signature_separator",
        "Write v1,<base64> without spaces, and separate several signatures by a space.";
    /// The signature would match if its version were `v1`.
    SignatureOtherVersion = "signature_other_version",
        "Write v1, before the signature. Versions are case-sensitive.";
    /// All signatures are Ed25519 signatures.
    OnlyAsymmetricSignatures = "only_asymmetric_signatures",
        "Configure the sender to sign with a shared secret (whsec_…), as Clerk does. Ed25519 signatures \
         are not supported.";
    /// The signature contains `-` and `_` instead of `+` and `/`.
    SignatureUrlSafe = "signature_url_safe",
        "Encode the signature with the standard base64 alphabet, which contains + and /.";
    /// The base64 padding of the signature is missing.
    SignatureUnpadded = "signature_unpadded",
        "Keep the = at the end of the signature.";
    /// The signature is hexadecimal.
    SignatureHex = "signature_hex",
        "Encode the signature as base64 instead of hexadecimal.";
    /// The signature contains `%2B`, `%2F` or `%3D`.
    SignaturePercentEncoded = "signature_percent_encoded",
        "Do not URL-encode header values, or decode them before you forward them.";
    /// The plus signs of the signature were replaced by spaces.
    SignaturePlusLost = "signature_plus_lost",
        "Do not decode header values as form data: a form decoder turns each plus sign into a space.";
    /// The signature was converted to lower or upper case.
    SignatureCaseLost = "signature_case_lost",
        "Find what converts header values to lower or upper case. Header names are case-insensitive; \
         header values are not.";
    /// The end of the signature is missing.
    SignatureTruncated = "signature_truncated",
        "Find what truncates the header, such as a database column or a log with a maximum length.";
    /// The signature is an HMAC with a different hash function.
    SignatureOtherHash = "signature_other_hash",
        "Sign with HMAC-SHA-256.";
    /// No signature in the list decodes to 32 bytes in any supported encoding.
    SignatureUnreadable = "signature_unreadable",
        "Send v1, followed by the HMAC-SHA-256 in base64 (44 characters).";

    /// The timestamp is in milliseconds.
    TimestampInMilliseconds = "timestamp_in_milliseconds",
        "Send the timestamp in whole seconds since 1970, and sign exactly the text that you send. In \
         JavaScript: Math.floor(Date.now() / 1000).";
    /// The timestamp is a date.
    TimestampAsDate = "timestamp_as_date",
        "Send the timestamp in whole seconds since 1970 instead of a date, and sign exactly the text that \
         you send.";
    /// The timestamp has a fraction.
    TimestampWithFraction = "timestamp_with_fraction",
        "Send the timestamp in whole seconds, and sign exactly the text that you send. In Python: \
         int(time.time()).";
    /// The timestamp is not a number of seconds for any other reason.
    MalformedTimestamp = "malformed_timestamp",
        "Send the timestamp in whole seconds since 1970, as decimal digits without a sign, leading zeros \
         or spaces.";
    /// The signature is valid, but the timestamp is too far in the past.
    TimestampTooOld = "timestamp_too_old",
        "If the delivery has just been received, correct this machine's clock. For an older capture, \
         pass the time of its receipt as --now, or use --any-age. A recording by `clerk-webhook listen` \
         contains this time. A retry by Svix and a resend from the Clerk Dashboard have a new timestamp \
         and a new signature.";
    /// The signature is valid, but the timestamp is too far in the future.
    TimestampTooNew = "timestamp_too_new",
        "Correct this machine's clock or the sender's clock.";

    /// Only the body was signed.
    SignedBodyOnly = "signed_body_only",
        "Sign <id>.<timestamp>.<body>.";
    /// The signed text does not contain the id.
    SignedWithoutId = "signed_without_id",
        "Sign <id>.<timestamp>.<body>. The schemes of other webhook senders omit the id.";
    /// The signed text does not contain the timestamp.
    SignedWithoutTimestamp = "signed_without_timestamp",
        "Sign <id>.<timestamp>.<body>, including the timestamp.";
    /// The parts of the signed text are in a different order.
    SignedInOtherOrder = "signed_in_other_order",
        "Sign <id>.<timestamp>.<body> in this order.";
    /// The parts of the signed text are not separated by dots.
    SignedWithOtherSeparator = "signed_with_other_separator",
        "Sign <id>.<timestamp>.<body>, separated by dots.";
    /// The timestamp was signed in milliseconds and sent in seconds.
    SignedMilliseconds = "signed_milliseconds",
        "Compute the timestamp once, in whole seconds, and use the same value for the header and for the \
         signed text.";
    /// The signed text contains whitespace that HTTP removes from the header.
    SignedWithBlanks = "signed_with_blanks",
        "Trim the id and the timestamp before you sign them: HTTP removes whitespace around header values.";

    /// The text of the secret was used as the key.
    SecretNotDecoded = "secret_not_decoded",
        "Remove the prefix whsec_, decode the rest as base64, and use the resulting bytes as the key.";
    /// The prefix was decoded together with the rest of the secret.
    SecretPrefixDecoded = "secret_prefix_decoded",
        "Remove the prefix whsec_ before you decode the rest as base64.";
    /// The secret was decoded twice.
    SecretDecodedTwice = "secret_decoded_twice",
        "Decode the secret from base64 once.";
    /// The secret was decoded with the URL-safe base64 alphabet.
    SecretDecodedUrlSafe = "secret_decoded_url_safe",
        "Decode the secret with the standard base64 alphabet, which contains + and / instead of - and _.";
    /// The key ends in a line break.
    SecretWithLineBreak = "secret_with_line_break",
        "Trim the secret after you read it. Files often end in a line break, and echo adds one (printf \
         does not).";
    /// The key is the hexadecimal form of the secret, or the secret was decoded as hexadecimal.
    SecretAsHex = "secret_as_hex",
        "Use the bytes of the base64-decoded secret as the key. Do not convert them to or from \
         hexadecimal.";

    /// A line break was added at the end of the body.
    TrailingNewlineAdded = "trailing_newline_added",
        "Find what writes the body as a line: an editor, echo, println or a heredoc. Store and send the \
         bytes unchanged (curl --data-binary @file).";
    /// The line break at the end of the body was removed.
    TrailingNewlineRemoved = "trailing_newline_removed",
        "Do not trim the body or read it as a line. curl -d drops line breaks; --data-binary does not.";
    /// Line breaks were converted between LF and CRLF.
    LineBreaksChanged = "line_breaks_changed",
        "Keep the body as bytes: files in text mode, git's autocrlf and some editors convert line breaks.";
    /// Whitespace was added around the body.
    WhiteSpaceAdded = "white_space_added",
        "Find what adds whitespace around the body, such as a template or a log line.";
    /// Whitespace around the body was removed.
    WhiteSpaceRemoved = "white_space_removed",
        "Do not trim the body before verification.";
    /// A byte-order mark was added at the start of the body.
    ByteOrderMarkAdded = "byte_order_mark_added",
        "Write the body without a byte-order mark. PowerShell and .NET's Encoding.UTF8 add one.";
    /// The byte-order mark at the start of the body was removed.
    ByteOrderMarkRemoved = "byte_order_mark_removed",
        "Read the body as bytes: decoding it as text (Request.text() in JavaScript) removes the byte-order \
         mark.";
    /// The whitespace between the JSON tokens was changed.
    JsonSpacingChanged = "json_spacing_changed",
        "The body was parsed as JSON and serialized again. Verify the raw bytes before you parse them \
         (express.raw() instead of express.json(), request.get_data() in Flask, request.body in Django, \
         Bytes in Axum).";
    /// The order of JSON object members was changed.
    JsonKeysReordered = "json_keys_reordered",
        "The body was parsed into a map and serialized again. Verify the raw bytes before you parse them. \
         PostgreSQL's jsonb and the maps of many languages do not preserve the order of keys.";
    /// The escapes in JSON strings were changed.
    JsonEscapesChanged = "json_escapes_changed",
        "The body was parsed and serialized again with other escapes (json_encode in PHP, json.dumps in \
         Python, json.Marshal in Go). Verify the raw bytes before you parse them (php://input, \
         request.get_data(), io.ReadAll).";
    /// The text of JSON numbers was changed.
    JsonNumbersChanged = "json_numbers_changed",
        "The body was parsed and its numbers were serialized again, perhaps from a float that cannot \
         represent them exactly. Verify the raw bytes before you parse them.";
    /// The body was encoded as a JSON string.
    JsonEncodedTwice = "json_encoded_twice",
        "Send the string itself: the body was already a string when it was encoded as JSON \
         (JSON.stringify, json.dumps).";
    /// The body is a member of a JSON object, as gateways pass it to functions.
    JsonWrapped = "json_wrapped",
        "Verify the member that contains the body (event.body on AWS Lambda), not the gateway's event.";
    /// The body is base64-encoded.
    Base64Encoded = "base64_encoded",
        "Decode the body before verification. API Gateway sets isBase64Encoded in this case.";
    /// The body is URL-encoded or a field of a form.
    FormEncoded = "form_encoded",
        "Forward the body unchanged instead of as a form. With curl, use --data-binary and content-type \
         application/json.";
    /// The body contains HTML entities.
    HtmlEscaped = "html_escaped",
        "Do not pass the body through input filters or templates: they escape it for HTML.";
    /// The body was decoded with one character encoding and encoded with a different one.
    CharsetChanged = "charset_changed",
        "Keep the body as bytes, or read and write it as UTF-8. Something treated it as Latin-1 or \
         Windows-1252.";
    /// The body is compressed.
    Compressed = "compressed",
        "Decompress the body before verification. Svix sends it uncompressed, so an intermediary \
         compressed it.";
    /// The body contains the framing of chunked transfer encoding.
    ChunkedFraming = "chunked_framing",
        "Decode the transfer encoding: the capture was taken from the socket, below HTTP.";
    /// The body is a part of a multipart form.
    MultipartWrapped = "multipart_wrapped",
        "Send the body itself instead of a multipart form (curl --data-binary @file instead of -F).";
    /// Bytes were added after the body.
    BytesAppended = "bytes_appended",
        "Keep exactly as many bytes as were received: a reused buffer, a log line or a script adds bytes \
         after the body.";
    /// Bytes were added before the body.
    BytesPrepended = "bytes_prepended",
        "Find what writes before the body: a warning, a log prefix, or a prefix against JSON hijacking.";
    /// The end of the body is missing.
    Truncated = "truncated",
        "Read the complete body. Check for a size limit, a single read() from a socket, and a log that \
         truncates lines.";
    /// The body is empty.
    BodyEmpty = "body_empty",
        "Read the body before any middleware does: a request body can be read only once.";

    /// No known change makes the signature valid.
    NothingFits = "nothing_fits",
        "Compare the secret with Clerk Dashboard > Webhooks > the endpoint > Signing Secret, in the \
         instance (development or production) that sent the event. Then capture the id, timestamp, \
         signature and body from the same request.";
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
