//! What can be wrong with a delivery, and what to do about it.

use std::fmt;

/// Derives the enum, its codes and its advice from one table.
macro_rules! causes {
    ($( $(#[$doc:meta])* $cause:ident = $code:literal, $advice:literal; )+) => {
        /// Why a delivery is not authentic.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Cause {
            $( $(#[$doc])* $cause, )+
        }

        impl Cause {
            /// All of them, as JSON.md lists them.
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[ $( Self::$cause, )+ ];

            /// Returns the name for programs, which never changes.
            pub(crate) fn code(self) -> &'static str {
                match self { $( Self::$cause => $code, )+ }
            }

            /// Returns what to do next, in one sentence.
            pub(crate) fn advice(self) -> &'static str {
                match self { $( Self::$cause => $advice, )+ }
            }
        }
    };
}

causes! {
    /// A header of the three is not there.
    MissingHeader = "missing_header",
        "Clerk sends all three headers with every delivery: look for a proxy or gateway that drops unknown headers, or take \
         the request for one that does not come from Clerk";
    /// A header is there without a value.
    EmptyHeader = "empty_header",
        "Look for the proxy or the code that sets this header anew, and let it pass the value on as it is";
    /// A header is there several times.
    RepeatedHeader = "repeated_header",
        "Look for the proxy that adds the headers once more instead of replacing them; Svix sends each of them once";
    /// A proxy or a framework made one value of several.
    JoinedHeader = "joined_header",
        "Look for the proxy that repeats the headers; what comes after it joins the values with a comma";
    /// Some headers are called svix-*, some webhook-*.
    MixedFamilies = "mixed_header_families",
        "Let all three headers through under their own names; a set is never completed from the other one";
    /// The headers have other names, as CGI and some gateways make them.
    RenamedHeader = "renamed_header",
        "Pass the headers on as svix-id, svix-timestamp and svix-signature";
    /// A value stands in quotes.
    QuotedHeader = "quoted_header",
        "Send the value without quotes around it; scripts that build headers from JSON often keep them";
    /// The message id or the list of signatures cannot be one.
    MalformedHeader = "malformed_header",
        "Compare the header with the one that Clerk's dashboard shows for this message, and look for what changes it";

    /// The base64 stands there without `v1,`.
    SignatureWithoutVersion = "signature_without_version",
        "Write v1, in front of the signature";
    /// Something else than a comma separates version and signature, or blanks stand around it.
    SignatureSeparator = "signature_separator",
        "Write v1,<base64>, with blanks only between several of them";
    /// It would match under the version `v1`.
    SignatureOtherVersion = "signature_other_version",
        "Write v1, in front of the signature, in lower case: versions are compared exactly";
    /// There are only Ed25519 signatures.
    OnlyAsymmetricSignatures = "only_asymmetric_signatures",
        "Let the sender sign with a shared secret (whsec_…), as Clerk does; Ed25519 signatures are not verified here";
    /// `-` and `_` instead of `+` and `/`.
    SignatureUrlSafe = "signature_url_safe",
        "Encode the signature with the standard alphabet of base64 (+ and /)";
    /// The equals sign at the end is gone.
    SignatureUnpadded = "signature_unpadded",
        "Keep the = at the end of the signature";
    /// In hexadecimal digits.
    SignatureHex = "signature_hex",
        "Encode the signature as base64 instead of hexadecimal digits";
    /// `%2B`, `%2F`, `%3D`.
    SignaturePercentEncoded = "signature_percent_encoded",
        "Do not URL-encode header values, or decode them before they are passed on";
    /// Its plus signs have become blanks.
    SignaturePlusLost = "signature_plus_lost",
        "Do not decode header values as if they came from a form, where a plus sign means a blank";
    /// Upper and lower case are gone.
    SignatureCaseLost = "signature_case_lost",
        "Look for what changes header values to lower or upper case: names have no case, values do";
    /// A part of it is missing at its end.
    SignatureTruncated = "signature_truncated",
        "Look for what cuts the header off, such as a database column or a log line with a greatest length";
    /// HMAC with another hash.
    SignatureOtherHash = "signature_other_hash",
        "Sign with HMAC-SHA-256";
    /// No token of the list is 32 bytes in any encoding.
    SignatureUnreadable = "signature_unreadable",
        "Send v1, and the 44 characters of the base64 of an HMAC-SHA-256";

    /// It counts milliseconds.
    TimestampInMilliseconds = "timestamp_in_milliseconds",
        "Send whole seconds since 1970, and sign the very text that is sent; in JavaScript Math.floor(Date.now() / 1000)";
    /// It is a date.
    TimestampAsDate = "timestamp_as_date",
        "Send whole seconds since 1970 instead of a date, and sign the very text that is sent";
    /// It has a fraction.
    TimestampWithFraction = "timestamp_with_fraction",
        "Send whole seconds, and sign the very text that is sent; in Python int(time.time())";
    /// It is no number of seconds in another way.
    MalformedTimestamp = "malformed_timestamp",
        "Send whole seconds since 1970 in decimal digits, without sign, leading zeros or blanks";
    /// Only its age is wrong, and it lies in the past.
    TimestampTooOld = "timestamp_too_old",
        "If it was just received, set the clock of this machine. An older capture is verified with --now as of then, or with \
         --any-age; a recording of `clerk-webhook listen` is judged as of when it was received. A retry by Svix, or a resend \
         from Clerk's dashboard, has a new timestamp and signature";
    /// Only its age is wrong, and it lies in the future.
    TimestampTooNew = "timestamp_too_new",
        "Set the clock of this machine, or that of the sender";

    /// Only the body was signed.
    SignedBodyOnly = "signed_body_only",
        "Sign <id>.<timestamp>.<body>";
    /// The id was left out.
    SignedWithoutId = "signed_without_id",
        "Sign <id>.<timestamp>.<body>; the id is missing, as other senders leave it out";
    /// The timestamp was left out.
    SignedWithoutTimestamp = "signed_without_timestamp",
        "Sign <id>.<timestamp>.<body>; the timestamp is missing";
    /// The parts come in another order.
    SignedInOtherOrder = "signed_in_other_order",
        "Sign <id>.<timestamp>.<body>, in this order";
    /// Something else than a dot separates the parts.
    SignedWithOtherSeparator = "signed_with_other_separator",
        "Sign <id>.<timestamp>.<body>, with dots in between";
    /// The timestamp was signed in milliseconds and sent in seconds.
    SignedMilliseconds = "signed_milliseconds",
        "Compute the timestamp once, in whole seconds, and use it for the header and for what is signed";
    /// A blank or a line break was signed that HTTP cuts off.
    SignedWithBlanks = "signed_with_blanks",
        "Trim id and timestamp before they are signed: blanks around a header value do not arrive";

    /// The text of the secret was the key.
    SecretNotDecoded = "secret_not_decoded",
        "Cut whsec_ off, decode the rest as base64, and use these bytes as the key";
    /// The prefix was decoded too.
    SecretPrefixDecoded = "secret_prefix_decoded",
        "Cut whsec_ off before the rest is decoded as base64";
    /// Base64 was decoded twice.
    SecretDecodedTwice = "secret_decoded_twice",
        "Decode the secret once";
    /// The other alphabet of base64 was used to decode it.
    SecretDecodedUrlSafe = "secret_decoded_url_safe",
        "Decode the secret with the standard alphabet of base64, which has + and / instead of - and _";
    /// A line break belongs to the key.
    SecretWithLineBreak = "secret_with_line_break",
        "Trim the secret after reading it: files often end in a line break, and echo adds one (printf does not)";
    /// The key is the secret in hexadecimal digits, or is read from such.
    SecretAsHex = "secret_as_hex",
        "Use the bytes of the decoded secret as the key, without making hexadecimal digits of them";

    /// A line break follows the body that was not there.
    TrailingNewlineAdded = "trailing_newline_added",
        "Look for what writes the body as a line: an editor, echo, println or a heredoc; send and keep the bytes as they are \
         (curl --data-binary @file)";
    /// The line break at the end of the body is gone.
    TrailingNewlineRemoved = "trailing_newline_removed",
        "Do not trim the body, nor read it as a line; curl -d drops line breaks, --data-binary does not";
    /// CRLF for LF, or the other way round.
    LineBreaksChanged = "line_breaks_changed",
        "Keep the body as bytes: text mode of a file, git's autocrlf or an editor has changed the line breaks";
    /// White space surrounds the body that was not there.
    WhiteSpaceAdded = "white_space_added",
        "Look for what puts white space round the body, such as a template or a log line";
    /// White space round the body is gone.
    WhiteSpaceRemoved = "white_space_removed",
        "Do not trim the body before it is verified";
    /// A byte-order mark was put in front.
    ByteOrderMarkAdded = "byte_order_mark_added",
        "Write the body without a byte-order mark; PowerShell and .NET's Encoding.UTF8 add one";
    /// The byte-order mark in front is gone.
    ByteOrderMarkRemoved = "byte_order_mark_removed",
        "Read the body as bytes: decoding it as text (Request.text() in JavaScript) drops the byte-order mark";
    /// The white space between the tokens of the JSON is another.
    JsonSpacingChanged = "json_spacing_changed",
        "Something parsed the JSON and wrote it anew: verify the raw bytes first (express.raw() instead of express.json(), \
         request.get_data() in Flask, request.body in Django, Bytes in Axum)";
    /// The members of objects come in another order.
    JsonKeysReordered = "json_keys_reordered",
        "Something parsed the JSON into a map and wrote it anew: verify the raw bytes before any parser sees them; jsonb of \
         Postgres and maps of many languages lose the order";
    /// Characters are escaped in another way.
    JsonEscapesChanged = "json_escapes_changed",
        "Something parsed the JSON and wrote it anew with other escapes (json_encode of PHP, json.dumps of Python, \
         json.Marshal of Go): verify the raw bytes (php://input, request.get_data(), io.ReadAll)";
    /// Numbers are written in another way.
    JsonNumbersChanged = "json_numbers_changed",
        "Something parsed the JSON and wrote its numbers anew, perhaps through a float that cannot hold them: verify the raw \
         bytes, and parse afterwards";
    /// The body is a JSON string with the body in it.
    JsonEncodedTwice = "json_encoded_twice",
        "The body was a string already when it was encoded as JSON (JSON.stringify, json.dumps): send the string itself";
    /// The body is a member of a JSON object, as gateways hand it to functions.
    JsonWrapped = "json_wrapped",
        "Verify the member that holds the body and not the event of the gateway around it (event.body on AWS Lambda)";
    /// The body is base64.
    Base64Encoded = "base64_encoded",
        "Decode the body before it is verified: API Gateway says so with isBase64Encoded";
    /// The body is URL-encoded, or a field of a form.
    FormEncoded = "form_encoded",
        "Let the body through as it is: something sent it as a form; with curl --data-binary and content-type \
         application/json";
    /// The body has HTML's entities.
    HtmlEscaped = "html_escaped",
        "Keep input filters and templates away from the body: they have escaped it for HTML";
    /// Its characters were read in one encoding and written in another.
    CharsetChanged = "charset_changed",
        "Keep the body as bytes, or read and write it as UTF-8: something took it for Latin-1 or Windows-1252";
    /// The body is compressed.
    Compressed = "compressed",
        "Verify the body after it is decompressed: something on the way compressed it, since Svix sends it plain";
    /// The body has the frames of chunked transfer encoding.
    ChunkedFraming = "chunked_framing",
        "Decode the transfer encoding: the capture was taken from the socket, below HTTP";
    /// The body is a part of a form.
    MultipartWrapped = "multipart_wrapped",
        "Send the body itself instead of a multipart form (curl --data-binary @file, not -F)";
    /// More bytes follow.
    BytesAppended = "bytes_appended",
        "Keep only as many bytes as arrived: a reused buffer, a log line or a script adds to the body";
    /// Something stands in front.
    BytesPrepended = "bytes_prepended",
        "Look for what writes in front of the body: a warning, a log prefix, a guard against JSON hijacking";
    /// The end is missing.
    Truncated = "truncated",
        "Read the body to its end: look for a limit on size, a single read() from a socket, or a log that cuts lines off";
    /// There is no body.
    BodyEmpty = "body_empty",
        "Read the body before anything else does: a body can be read once, and a middleware was there first";

    /// No known change makes the signature valid.
    NothingFits = "nothing_fits",
        "Compare the secret with Clerk Dashboard > Webhooks > the endpoint > Signing Secret, of the right instance \
         (development, production); then capture id, timestamp, signature and body from one and the same request";
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
