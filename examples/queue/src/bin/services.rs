//! A mail server and a chat service that fail half of the time, for the example and its tests.
//!
//! Prints the values of SMTP_SERVER and CHAT_URL, and then a line for each email and each chat message. The
//! mail server always rejects addresses that begin with `rejected`, and always fails for addresses that begin
//! with `broken`.

use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

fn main() -> io::Result<()> {
    let (mail, chat) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
    println!("SMTP_SERVER={} CHAT_URL=http://{}/", mail.local_addr()?, chat.local_addr()?);
    thread::spawn(move || accept(&mail, receive_mail));
    accept(&chat, receive_message);
    Ok(())
}

fn accept(listener: &TcpListener, serve: fn(&TcpStream) -> io::Result<()>) {
    for stream in listener.incoming().flatten() {
        // An error means that the client has closed the connection.
        thread::spawn(move || serve(&stream));
    }
}

/// Decides at random whether a service fails.
fn fails() -> bool {
    RandomState::new().hash_one(()).is_multiple_of(2)
}

/// Serves a connection of the Simple Mail Transfer Protocol.
fn receive_mail(mut stream: &TcpStream) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    stream.write_all(b"220 ready\r\n")?;
    while let Some(line) = read_line(&mut reader)? {
        let line = line.to_ascii_lowercase();
        let (command, address) = line.split_once(":<").unwrap_or((&line, ""));
        let response = match command {
            "rcpt to" if address.starts_with("rejected") => "550 the address does not exist",
            "rcpt to" if address.starts_with("broken") || fails() => "451 the server is overloaded",
            "data" => {
                stream.write_all(b"354 send the email\r\n")?;
                while let Some(line) = read_line(&mut reader)?.filter(|line| line != ".") {
                    if let Some(id) = line.strip_prefix("Message-ID: ") {
                        println!("email {id}");
                    }
                }
                "250 sent"
            }
            "quit" => "221 goodbye",
            _ => "250 ok",
        };
        stream.write_all(format!("{response}\r\n").as_bytes())?;
    }
    Ok(())
}

/// Serves a connection of the Hypertext Transfer Protocol.
fn receive_message(mut stream: &TcpStream) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut key, mut length) = (String::new(), 0);
    while let Some(line) = read_line(&mut reader)? {
        if let Some((name, value)) = line.split_once(": ") {
            match name.to_ascii_lowercase().as_str() {
                "idempotency-key" => value.clone_into(&mut key),
                "content-length" => length = value.parse().map_err(io::Error::other)?,
                _ => {}
            }
        } else if line.is_empty() {
            let mut body = Vec::new();
            (&mut reader).take(length).read_to_end(&mut body)?;
            let status = if fails() { "503 Service Unavailable" } else { "200 OK" };
            if status == "200 OK" {
                println!("chat <{key}> {}", String::from_utf8_lossy(&body));
            }
            stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes())?;
        }
    }
    Ok(())
}

fn read_line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    let length = reader.read_line(&mut line)?;
    Ok((length > 0).then(|| line.trim_end().to_owned()))
}
