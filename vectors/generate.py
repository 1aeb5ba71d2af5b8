#!/usr/bin/env python3
"""Writes vectors.json from the rules and cases in this file.

    python3 vectors/generate.py            writes the file
    python3 vectors/generate.py --check    fails if the file is out of date

The signatures are made with Python's standard library, not with the code that reads the vectors.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import sys
import textwrap

# README.md says when it changes.
VERSION = "1.0.0"
FILE = pathlib.Path(__file__).resolve().parent / "vectors.json"

NOW = 1_700_000_000
TOLERANCE = 300
ID = "msg_2Xn7vKcQ4tWz9bRfYh3sLpDm8Ga"
BODY = b'{"type":"invoice.paid","data":{"id":"inv_1","note":"caf\xc3\xa9"}}'


def key(number: int, length: int = 24) -> bytes:
    """Returns one of several keys."""
    return hashlib.shake_256(f"webhook vectors, key {number}".encode()).digest(length)


def text(secret: bytes) -> str:
    """Returns the text of a secret."""
    return "whsec_" + base64.b64encode(secret).decode()


# Receivers know only these two. UNKNOWN is in no receiver.
KEY, OLD_KEY, UNKNOWN = key(1), key(2), key(3)


def mac(secret: bytes, content: bytes) -> bytes:
    return hmac.new(secret, content, hashlib.sha256).digest()


def sign(body: bytes = BODY, *, id: str = ID, timestamp: str = str(NOW), secret: bytes = KEY) -> str:
    """Returns the signature of a delivery, with its version."""
    # One character of a header is one byte.
    content = f"{id}.{timestamp}.".encode("latin-1") + body
    return "v1," + base64.b64encode(mac(secret, content)).decode()


RULES: dict[str, dict[str, str]] = {}
CASES: list[dict[str, object]] = []


def rule(name: str, basis: str, sentence: str) -> None:
    """Begins the cases of a rule."""
    RULES[name] = {"basis": basis, "text": " ".join(textwrap.dedent(sentence).split())}


def case(
    name: str,
    reason: str | None = None,
    *,
    id: str | None = ID,
    timestamp: str | None = str(NOW),
    signature: str | None = "",
    headers: list[tuple[str, str]] | None = None,
    body: bytes = BODY,
    secrets: list[str] | None = None,
    milliseconds: int = 0,
    tolerance: int = TOLERANCE,
    note: str | None = None,
) -> None:
    """Adds a case. Without a reason for its rejection, it must be accepted. Without a signature, it is signed."""
    if signature == "":
        signature = sign(body, id=id or "", timestamp=timestamp or "")
    if headers is None:
        values = [("webhook-id", id), ("webhook-timestamp", timestamp), ("webhook-signature", signature)]
        headers = [(header, value) for header, value in values if value is not None]
    new: dict[str, object] = {"name": name, "rule": list(RULES)[-1]}
    if note:
        new["note"] = note
    new |= {"secrets": secrets or [text(KEY)], "now": NOW}
    if milliseconds:
        new["now_milliseconds"] = milliseconds
    new |= {"tolerance": tolerance, "headers": headers, "body_base64": base64.b64encode(body).decode()}
    try:
        new["body_text"] = body.decode()
    except UnicodeDecodeError:
        pass
    new["verdict"] = "reject" if reason else "accept"
    if reason:
        new["reason"] = reason
    CASES.append(new)


GOOD = sign()
WRONG = sign(secret=UNKNOWN)
NO_MATCH, MISSING, DUPLICATE = "no_matching_signature", "missing_header", "duplicate_header"
HEADER, TIMESTAMP, SECRET = "invalid_header", "invalid_timestamp", "invalid_secret"
TOO_OLD, TOO_NEW = "timestamp_too_old", "timestamp_too_new"

rule("signed-content", "specification", """
    The signature is the HMAC-SHA256 of the id, the timestamp and the body, joined with full stops, in base64 after `v1,`.
""")
case("valid")
case("valid_id_of_one_character", id="m")
case("valid_id_with_punctuation", id="evt-2023_11:14/7~a")
case("other_key", NO_MATCH, signature=WRONG)
case("other_id", NO_MATCH, id="msg_another", signature=GOOD)
case("other_timestamp", NO_MATCH, timestamp=str(NOW + 1), signature=GOOD)
case("other_body", NO_MATCH, body=BODY.replace(b"inv_1", b"inv_2"), signature=GOOD)
case("serialized_again", NO_MATCH, body=json.dumps(json.loads(BODY)).encode(), signature=GOOD,
     note="a receiver that parses the body and serializes it again")
case("body_alone_is_signed", NO_MATCH, signature="v1," + base64.b64encode(mac(KEY, BODY)).decode())
case("id_is_not_signed", NO_MATCH,
     signature="v1," + base64.b64encode(mac(KEY, f"{NOW}.".encode() + BODY)).decode())
case("key_is_the_text_of_the_secret", NO_MATCH, signature=sign(secret=text(KEY).encode()))
for name in ["sha1", "sha512"]:
    digest = hmac.digest(KEY, f"{ID}.{NOW}.".encode() + BODY, name)
    case(f"{name}_instead_of_sha256", NO_MATCH, signature="v1," + base64.b64encode(digest).decode())
case("signature_of_zero_bytes", NO_MATCH, signature="v1," + base64.b64encode(bytes(32)).decode())

rule("body-bytes", "specification", """
    The signature covers the bytes of the body as they arrive. Verification neither decodes nor parses them.
""")
case("empty_body", body=b"")
case("body_that_is_not_json", body=b"type=invoice.paid&id=inv_1")
case("body_of_4_kib", body=b'{"type":"a","data":"' + b"0123456789abcdef" * 256 + b'"}')
case("body_with_zero_bytes", body=b'{"type":"a"}\x00\x00')
case("body_with_line_ends", body=b'{\r\n\t"type": "invoice.paid"\r\n}\r\n')
case("body_without_its_last_line_end", NO_MATCH, body=BODY, signature=sign(BODY + b"\n"))
case("body_with_byte_order_mark", body=b"\xef\xbb\xbf" + BODY)
case("byte_order_mark_added", NO_MATCH, body=b"\xef\xbb\xbf" + BODY, signature=GOOD,
     note="a library that removes the mark verifies another body than the received one")
case("byte_order_mark_removed", NO_MATCH, signature=sign(b"\xef\xbb\xbf" + BODY))
LATIN_1 = BODY.decode().encode("latin-1")
case("body_that_is_not_utf8", body=LATIN_1)
case("body_that_is_not_utf8_signed_as_replaced", NO_MATCH, body=LATIN_1,
     signature=sign(LATIN_1.decode("utf-8", "replace").encode()),
     note="a library that decodes the body with replacement characters verifies another body than the received one")
case("body_with_replaced_characters", NO_MATCH, body=LATIN_1.decode("utf-8", "replace").encode(),
     signature=sign(LATIN_1))
case("body_with_escaped_character", NO_MATCH, body=json.dumps(json.loads(BODY), separators=(",", ":")).encode(),
     signature=GOOD)

rule("several-signatures", "specification", """
    The signature header is a list with spaces between the signatures. One that matches is enough, at any place.
""")
case("valid_signature_first", signature=f"{GOOD} {WRONG}")
case("valid_signature_last", signature=f"{WRONG} {GOOD}")
case("valid_signature_twice", signature=f"{GOOD} {GOOD}")
case("valid_signature_behind_ten_others",
     signature=" ".join([sign(secret=key(number)) for number in range(10, 20)] + [GOOD]))
case("two_wrong_signatures", NO_MATCH, signature=f"{WRONG} {sign(b'{}')}")

rule("several-secrets", "recommended", """
    A receiver can have several secrets, as during a rotation. One that matches is enough. If a library takes one secret,
    ask it once with each.
""")
BOTH = [text(KEY), text(OLD_KEY)]
case("signed_with_the_first_secret", secrets=BOTH)
case("signed_with_the_second_secret", secrets=BOTH, signature=sign(secret=OLD_KEY))
case("signed_with_both_secrets", secrets=BOTH, signature=f"{sign(secret=OLD_KEY)} {GOOD}")
case("signed_with_neither_secret", NO_MATCH, secrets=BOTH, signature=WRONG)

rule("signature-version", "specification", """
    The version before the comma is exactly `v1`. Signatures with other versions are skipped.
""")
ED25519 = "v1a," + base64.b64encode(hashlib.shake_256(b"a signature of Ed25519").digest(64)).decode()
case("asymmetric_signature_before_the_valid_one", signature=f"{ED25519} {GOOD}")
case("asymmetric_signature_behind_the_valid_one", signature=f"{GOOD} {ED25519}")
case("asymmetric_signature_alone", NO_MATCH, signature=ED25519)
for version, name in [("v1a", "v1a"), ("v2", "v2"), ("v11", "v11"), ("v", "v"), ("V1", "upper_case"), ("1", "1"),
                      ("", "empty"), ("v01", "v01"), ("sha256", "sha256")]:
    case(f"version_{name}", NO_MATCH, signature=GOOD.replace("v1,", f"{version},"))

rule("whole-signature", "specification", """
    The signature is compared as a whole. A part of it, or more than it, does not match.
""")
DIGITS = GOOD.removeprefix("v1,")
case("empty_signature_text", NO_MATCH, signature="v1,",
     note="CVE-2024-21491: a comparison up to the end of the shorter text accepts every delivery")
case("first_character_only", NO_MATCH, signature=GOOD[:4])
case("first_half_only", NO_MATCH, signature="v1," + base64.b64encode(base64.b64decode(DIGITS)[:16]).decode())
case("without_the_last_character", NO_MATCH, signature=GOOD[:-2] + "=")
case("last_byte_missing", NO_MATCH, signature="v1," + base64.b64encode(base64.b64decode(DIGITS)[:-1]).decode())
case("one_byte_more", NO_MATCH, signature="v1," + base64.b64encode(base64.b64decode(DIGITS) + b"\0").decode())
case("last_byte_differs", NO_MATCH,
     signature="v1," + base64.b64encode(base64.b64decode(DIGITS)[:-1] + bytes([base64.b64decode(DIGITS)[-1] ^ 1])).decode())
case("lower_case_signature", NO_MATCH, signature="v1," + DIGITS.lower())
case("hexadecimal_signature", NO_MATCH, signature="v1," + base64.b64decode(DIGITS).hex())

rule("canonical-base64", "recommended", """
    A signature has one text: the standard alphabet, with padding, without other characters, and with unused bits of zero.
    Otherwise an attacker can change the text of a valid signature.
""")
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
case("without_padding", NO_MATCH, signature=GOOD.rstrip("="))
case("signature_twice_in_one_text", NO_MATCH, signature=GOOD + DIGITS)
case("too_much_padding", NO_MATCH, signature=GOOD + "=")
case("unused_bits_set", NO_MATCH, signature=GOOD[:-2] + ALPHABET[ALPHABET.index(GOOD[-2]) + 1] + "=")
case("other_character_inside", NO_MATCH, signature=GOOD[:20] + "!" + GOOD[20:])
case("other_character_at_the_end", NO_MATCH, signature=GOOD + "!")
# With this id, the signature contains both characters that differ.
BOTH_ALPHABETS = next(id for id in (f"msg_{n}" for n in range(999)) if {"+", "/"} <= set(sign(id=id)))
case("alphabet_for_urls", NO_MATCH, id=BOTH_ALPHABETS,
     signature=sign(id=BOTH_ALPHABETS).replace("+", "-").replace("/", "_"))

rule("signature-list", "recommended", """
    A malformed entry of the list is skipped, so that it does not hide a valid one. An entry has one comma. Only spaces
    separate entries.
""")
case("entry_without_comma_before_the_valid_one", signature=f"v1 {GOOD}")
case("empty_entry_between", signature=f"{WRONG}  {GOOD}", note="two spaces")
case("entry_with_other_characters_before_the_valid_one", signature=f"v1,%%% {GOOD}")
case("second_comma", NO_MATCH, signature=f"{GOOD},v1")
case("comma_at_the_end", NO_MATCH, signature=f"{GOOD},")
case("space_behind_the_comma", NO_MATCH, signature=GOOD.replace(",", ", "))
case("equals_sign_instead_of_comma", NO_MATCH, signature=GOOD.replace(",", "="))
case("version_alone", NO_MATCH, signature="v1")
case("signature_without_version", NO_MATCH, signature=DIGITS)
case("comma_between_entries", NO_MATCH, signature=f"{GOOD},{WRONG}")

rule("required-headers", "specification", """
    The id, the timestamp and the signature are required.
""")
case("no_id", MISSING, id=None, note="signed with an empty id")
case("no_timestamp", MISSING, timestamp=None, signature=GOOD)
case("no_signature", MISSING, signature=None)
case("no_headers", MISSING, headers=[])
case("id_under_another_name", MISSING, headers=[
    ("x-webhook-id", ID), ("webhook-timestamp", str(NOW)), ("webhook-signature", GOOD)])

rule("empty-headers", "recommended", """
    A header without a value counts as missing.
""")
case("empty_id", MISSING, id="")
case("empty_timestamp", MISSING, timestamp="", signature=GOOD)
case("empty_signature", MISSING, headers=[
    ("webhook-id", ID), ("webhook-timestamp", str(NOW)), ("webhook-signature", "")])

rule("single-headers", "recommended", """
    Each header occurs once. A sender never repeats one, and a proxy and an application can disagree about which one counts.
    If your library receives headers that a server has joined, ask it with the values joined as that server does.
""")
USUAL = [("webhook-id", ID), ("webhook-timestamp", str(NOW)), ("webhook-signature", GOOD)]
case("id_twice", DUPLICATE, headers=[*USUAL, ("webhook-id", ID)])
case("id_twice_in_another_case", DUPLICATE, headers=[*USUAL, ("Webhook-ID", ID)])
case("second_id_differs", DUPLICATE, headers=[*USUAL, ("webhook-id", "msg_another")])
case("first_id_differs", DUPLICATE, headers=[("webhook-id", "msg_another"), *USUAL])
case("ids_are_signed_as_joined", DUPLICATE, headers=[
    ("webhook-id", "a"), ("webhook-id", "b"), ("webhook-timestamp", str(NOW)),
    ("webhook-signature", sign(id="a, b"))])
case("second_timestamp_differs", DUPLICATE, headers=[*USUAL, ("webhook-timestamp", str(NOW + 5))])
case("first_timestamp_differs", DUPLICATE, headers=[("webhook-timestamp", str(NOW + 5)), *USUAL])
case("signature_twice", DUPLICATE, headers=[*USUAL, ("webhook-signature", GOOD)])
case("second_signature_is_wrong", DUPLICATE, headers=[*USUAL, ("webhook-signature", WRONG)])
case("first_signature_is_wrong", DUPLICATE, headers=[("webhook-signature", WRONG), *USUAL])

rule("header-names", "http", """
    The case of a header's name does not matter (RFC 9110, section 5.1), and neither do the order and other headers.
""")
case("names_in_title_case", headers=[(name.title(), value) for name, value in USUAL])
case("names_in_upper_case", headers=[(name.upper(), value) for name, value in USUAL])
case("other_order_and_other_headers", headers=[
    ("content-type", "application/json"), *reversed(USUAL), ("webhook-attempt", "2"), ("x-webhook-id", "7")])

rule("header-white-space", "http", """
    Spaces and tabs around a value are not part of it (RFC 9110, section 5.5). Most servers remove them before the library
    sees the value.
""")
case("spaces_around_values", headers=[(name, f" {value} ") for name, value in USUAL])
case("tabs_around_values", headers=[(name, f"\t{value}\t") for name, value in USUAL])

rule("tolerance", "specification", """
    The timestamp differs from the clock by at most the tolerance, in either direction.
""")
for name, seconds, reason in [("300_s_old", -300, None), ("301_s_old", -301, TOO_OLD), ("300_s_ahead", 300, None),
                              ("301_s_ahead", 301, TOO_NEW), ("one_day_old", -86_400, TOO_OLD),
                              ("one_day_ahead", 86_400, TOO_NEW)]:
    case(name, reason, timestamp=str(NOW + seconds))
case("timestamp_zero", TOO_OLD, timestamp="0")
case("timestamp_in_milliseconds", TOO_NEW, timestamp=f"{NOW}000")

rule("whole-seconds", "recommended", """
    Fractions of the clock's second are ignored, so that the limit does not depend on the resolution of the clock.
""")
case("300_s_and_a_half_old", timestamp=str(NOW - 300), milliseconds=500)
case("300_s_old_at_the_end_of_the_second", timestamp=str(NOW - 300), milliseconds=999)
case("301_s_ahead_at_the_end_of_the_second", TOO_NEW, timestamp=str(NOW + 301), milliseconds=999)

rule("other-tolerance", "recommended", """
    The tolerance can be set. Skip these cases if your library has a fixed one.
""")
for name, seconds, reason in [("60_s_old_of_60", -60, None), ("61_s_old_of_60", -61, TOO_OLD),
                              ("60_s_ahead_of_60", 60, None), ("61_s_ahead_of_60", 61, TOO_NEW)]:
    case(name, reason, timestamp=str(NOW + seconds), tolerance=60)

rule("integer-timestamp", "specification", """
    The timestamp is an integer in decimal digits. These deliveries are signed with the number that a lenient parser reads.
""")
for name, value in [("fraction", f"{NOW}.0"), ("fraction_of_half", f"{NOW}.5"), ("exponent", "1.7e9"),
                    ("underscores", "1_700_000_000"), ("hexadecimal", hex(NOW)), ("letters_behind", f"{NOW}abc"),
                    ("unit_behind", f"{NOW}s"), ("list", f"{NOW}, {NOW + 5}"), ("two_numbers", f"{NOW} {NOW}"),
                    ("tab_inside", f"{NOW}\t1"), ("quotes", f'"{NOW}"'), ("date", "2023-11-14T22:13:20Z"),
                    ("not_a_number", "NaN"), ("infinity", "Infinity"), ("word", "now"),
                    ("full_width_digits", "１７０００００００００".encode().decode("latin-1"))]:
    case(f"timestamp_with_{name}", TIMESTAMP, timestamp=value, signature=GOOD)

rule("canonical-timestamp", "recommended", """
    The timestamp has one text: no sign, no leading zero, and at most 63 bits. Otherwise the signed text differs from the
    header.
""")
case("leading_zero", TIMESTAMP, timestamp=f"0{NOW}", signature=GOOD)
case("leading_zero_signed", TIMESTAMP, timestamp=f"0{NOW}")
case("plus_sign", TIMESTAMP, timestamp=f"+{NOW}", signature=GOOD)
case("plus_sign_signed", TIMESTAMP, timestamp=f"+{NOW}")
case("minus_sign", TIMESTAMP, timestamp=f"-{NOW}")
case("minus_zero", TIMESTAMP, timestamp="-0", signature=sign(timestamp="0"))
case("smallest_of_64_bits", TIMESTAMP, timestamp=str(-(2**63)), note="the age overflows 64 bits")
case("largest_of_63_bits", TOO_NEW, timestamp=str(2**63 - 1), note="the sum with the tolerance overflows 64 bits")
case("more_than_63_bits", TIMESTAMP, timestamp=str(2**63))
case("now_plus_2_to_the_64", TIMESTAMP, timestamp=str(2**64 + NOW), signature=GOOD,
     note="wraps to the current time in 64 bits")
case("now_plus_2_to_the_32", TOO_NEW, timestamp=str(2**32 + NOW), signature=GOOD,
     note="wraps to the current time in 32 bits")
case("four_hundred_digits", TIMESTAMP, timestamp="9" * 400)

rule("message-id", "recommended", """
    The id consists of 1 to 256 visible ASCII characters without a full stop. With a full stop, the signed text can be
    divided in two ways.
""")
case("id_with_full_stop", HEADER, id="msg.1")
case("id_that_contains_the_timestamp", HEADER, id=f"{ID}.{NOW}", signature=sign(f"{NOW}.".encode() + BODY),
     note="an attacker moves the signed timestamp into the id: the sender signed the body 1700000000.{...}")
case("id_with_space", HEADER, id="msg a")
case("id_with_tab", HEADER, id="msg\ta")
case("id_with_byte_outside_ascii", HEADER, id="msg_\xe9")
case("id_with_character_in_utf8", HEADER, id="msg_\u00e9".encode().decode("latin-1"))
case("id_with_character_signed_in_utf8", HEADER, id="msg_\xe9",
     signature=sign(id="msg_\u00e9".encode().decode("latin-1")),
     note="a library that decodes the header as Latin-1 and signs it as UTF-8")
case("id_of_256_characters", id="m" * 256)
case("id_of_257_characters", HEADER, id="m" * 257)

rule("header-limits", "recommended", """
    The signature header has at most 16 KiB and 256 entries, and only visible ASCII characters and spaces, so that a forged
    one costs little.
""")
case("256_entries", signature=" ".join(["v1,AAAA"] * 255 + [GOOD]))
case("257_entries", HEADER, signature=" ".join(["v1,AAAA"] * 256 + [GOOD]))
case("header_of_more_than_16_kib", HEADER, signature=f"v1,{'A' * (16 * 1024)} {GOOD}")
case("signature_with_byte_outside_ascii", HEADER, signature=f"{GOOD} v1,\xe9")
case("signature_with_tab_inside", HEADER, signature=f"{WRONG}\t{GOOD}")

rule("svix-names", "recommended", """
    Svix sends the same headers with names that begin with `svix-`. A library that reads both kinds of names takes all three
    headers from one kind: `svix-` if any such header exists. Skip these cases if your library reads only `webhook-`.
""")
SVIX = [(name.replace("webhook", "svix"), value) for name, value in USUAL]
case("svix_valid", headers=SVIX)
case("svix_wrong_signature", NO_MATCH, headers=[*SVIX[:2], ("svix-signature", WRONG)])
case("svix_names_in_title_case", headers=[(name.title(), value) for name, value in SVIX])
case("svix_without_id", MISSING, headers=SVIX[1:])
case("svix_without_timestamp", MISSING, headers=[SVIX[0], SVIX[2]])
case("svix_without_signature", MISSING, headers=SVIX[:2])
case("svix_id_twice", DUPLICATE, headers=[*SVIX, ("svix-id", ID)])
case("both_kinds_are_valid", headers=[*SVIX, *USUAL])
case("both_kinds_and_webhook_is_invalid", headers=[
    *SVIX, ("webhook-id", "x"), ("webhook-timestamp", "1"), ("webhook-signature", "v1,AAAA")])
case("both_kinds_and_svix_is_invalid", NO_MATCH, headers=[*SVIX[:2], ("svix-signature", WRONG), *USUAL])
case("both_kinds_and_svix_id_is_not_signed", NO_MATCH, headers=[
    ("svix-id", "msg_another"), *SVIX[1:], *USUAL])
case("svix_id_with_other_webhook_headers", MISSING, headers=[SVIX[0], *USUAL[1:]])
case("webhook_id_with_other_svix_headers", MISSING, headers=[USUAL[0], *SVIX[1:]])
case("svix_id_is_not_signed_and_webhook_is_complete", MISSING, headers=[("svix-id", "msg_another"), *USUAL],
     note="an application that reads svix-id for duplicates sees an id that nobody signed")
case("svix_id_is_empty_and_webhook_is_complete", MISSING, headers=[("svix-id", ""), *SVIX[1:], *USUAL])

rule("secret-length", "recommended", """
    A receiver accepts secrets of 24 bytes or more, and rejects an empty secret and one of less than 16 bytes. No case has a
    secret between. The reason `invalid_secret` can come from the constructor.
""")
for length in [24, 32, 64, 75]:
    secret = key(4, length)
    case(f"secret_of_{length}_bytes", secrets=[text(secret)], signature=sign(secret=secret),
         note={75: "HMAC hashes a key of more than 64 bytes first"}.get(length))
for length in [15, 4, 1]:
    secret = key(4, length)
    case(f"secret_of_{length}_bytes", SECRET, secrets=[text(secret)], signature=sign(secret=secret))
case("empty_secret", SECRET, secrets=["whsec_"], signature=sign(secret=b""),
     note="everybody can sign with the empty key")
case("empty_secret_without_prefix", SECRET, secrets=[""], signature=sign(secret=b""))

rule("secret-text", "recommended", """
    The text of a secret is base64 behind `whsec_`. White space around it, missing padding, a missing prefix, and unused bits
    leave the key unambiguous. Every other text is an error of the configuration.
""")
PLAIN = text(KEY).removeprefix("whsec_")
# 25 bytes need two characters of padding, and leave four bits unused.
LONG_KEY = key(5, 25)
LONG = text(LONG_KEY)
case("secret_without_prefix", secrets=[PLAIN])
case("secret_with_white_space_around", secrets=[f" {text(KEY)}\n"])
case("secret_with_padding", secrets=[LONG], signature=sign(secret=LONG_KEY))
case("secret_without_padding", secrets=[LONG.rstrip("=")], signature=sign(secret=LONG_KEY))
case("secret_with_unused_bits", secrets=[LONG[:-3] + ALPHABET[ALPHABET.index(LONG[-3]) + 1] + "=="],
     signature=sign(secret=LONG_KEY))
case("secret_with_line_end_inside", SECRET, secrets=[text(KEY)[:20] + "\n" + text(KEY)[20:]])
case("secret_with_space_inside", SECRET, secrets=[text(KEY)[:20] + " " + text(KEY)[20:]])
case("secret_with_other_character_inside", SECRET, secrets=[text(KEY)[:20] + "!" + text(KEY)[20:]])
case("secret_with_one_character_more", SECRET, secrets=[text(KEY) + "A"])
case("secret_with_prefix_twice", SECRET, secrets=["whsec_" + text(KEY)])
case("secret_with_prefix_in_upper_case", SECRET, secrets=["WHSEC_" + PLAIN])
URL_KEY = next(found for found in (key(n) for n in range(20, 99)) if {"+", "/"} <= set(text(found)))
case("secret_in_the_alphabet_for_urls", SECRET, secrets=[text(URL_KEY).replace("+", "-").replace("/", "_")],
     signature=sign(secret=URL_KEY))
case("api_key", SECRET, secrets=["sk_test_abcdefghijklmnopqrstuvwxyz0123456789"])
case("public_key", SECRET, secrets=["whpk_" + base64.b64encode(key(6, 32)).decode()],
     signature=sign(secret=key(6, 32)))
case("private_key", SECRET, secrets=["whsk_" + base64.b64encode(key(6, 32)).decode()],
     signature=sign(secret=key(6, 32)))

rule("order-of-checks", "recommended", """
    The headers and the age are checked before the signature, so that a server can reject a delivery before it reads the
    body. The order is visible only in the reason.
""")
case("old_and_wrong_signature", TOO_OLD, timestamp=str(NOW - 900), signature=WRONG)
case("invalid_timestamp_and_wrong_signature", TIMESTAMP, timestamp="now", signature=WRONG)
case("id_twice_and_wrong_signature", DUPLICATE, headers=[("webhook-id", ID), *USUAL[:2], ("webhook-signature", WRONG)])


def contents() -> str:
    """Returns the JSON, with one line for each part of a case."""
    names = [str(case["name"]) for case in CASES]
    assert len(names) == len(set(names)), "two cases have the same name"
    head = {"$schema": "schema.json", "version": VERSION, "license": "MIT-0", "rules": RULES}
    # Characters outside ASCII are escaped, so that every tool reads the same file.
    lines = json.dumps(head, indent=2)[:-2] + ',\n  "cases": [\n'
    lines += ",\n".join(
        "    {\n" + ",\n".join(f"      {json.dumps(name)}: {json.dumps(value)}" for name, value in case.items()) + "\n    }"
        for case in CASES
    )
    return lines + "\n  ]\n}\n"


def main() -> int:
    expected = contents()
    if sys.argv[1:] == ["--check"]:
        if not FILE.exists() or FILE.read_text() != expected:
            print("vectors/vectors.json is out of date: run python3 vectors/generate.py")
            return 1
    else:
        FILE.write_text(expected)
    print(f"{len(CASES)} cases of {len(RULES)} rules, version {VERSION}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
