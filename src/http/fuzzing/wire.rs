//! HTTP/1.1 as it is on the wire (RFC 9112), read by a reader that shares
//! nothing with the server's and is no more lenient than it must be.

use serde_json::Value;

/// An answer that is no interim one.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) id: String,
    pub(super) body: Vec<u8>,
}

/// A request that can be read in one way only.
#[derive(Debug)]
pub(super) struct Asked {
    /// The ids that it names, one if it is well made.
    pub(super) ids: Vec<String>,
    /// The length of its body, when it is one whose answer tells it.
    pub(super) measured: Option<usize>,
}

/// The answers that a connection carried until its end, or what is wrong with
/// one.
pub(super) fn answers(mut wire: &[u8]) -> Result<Vec<Answer>, String> {
    let mut answers = Vec::new();
    while !wire.is_empty() {
        let end = find(wire, b"\r\n\r\n").ok_or("a head has no end")?;
        let head = std::str::from_utf8(&wire[..end]).map_err(|_| "a head is not text")?;
        wire = &wire[end + 4..];
        let mut lines = head.split("\r\n");
        let status = status_of(lines.next().unwrap_or_default())?;
        if status == 100 {
            continue;
        }
        let headers = lines.map(|line| line.split_once(": ").ok_or("a header has no value"));
        let headers: Vec<(&str, &str)> = headers.collect::<Result<_, _>>()?;
        let all = |name: &str| {
            let name = name.to_owned();
            let named = headers
                .iter()
                .filter(move |(known, _)| known.eq_ignore_ascii_case(&name));
            named.map(|(_, value)| *value).collect::<Vec<_>>()
        };
        let ids = all("x-correlation-id");
        let [id] = ids[..] else {
            return Err(format!("an answer with {status} has no id of its own"));
        };
        if all("date").len() != 1 || all("content-length").len() > 1 {
            return Err("a header stands twice, or there is no date".to_owned());
        }
        let body = body(&mut wire, &all("content-length"), &all("transfer-encoding"))?;
        if status >= 400 && !body.is_empty() {
            let document: Value =
                serde_json::from_slice(&body).map_err(|error| error.to_string())?;
            if !document["detail"].is_string() {
                return Err(format!("an error is told as {document}"));
            }
        }
        answers.push(Answer {
            status,
            id: id.to_owned(),
            body,
        });
    }
    Ok(answers)
}

/// No client can make the server fail.
fn status_of(line: &str) -> Result<u16, String> {
    let rest = line
        .strip_prefix("HTTP/1.1 ")
        .or(line.strip_prefix("HTTP/1.0 "));
    let code = rest.and_then(|rest| rest.get(..3)?.parse::<u16>().ok());
    match code {
        None => Err(format!("{line:?} is no status line")),
        Some(500) => Err("the server failed".to_owned()),
        Some(code) => Ok(code),
    }
}

/// Takes the body of an answer off the wire. That of a HEAD is only
/// announced, and no body of ours begins like a head.
fn body(wire: &mut &[u8], lengths: &[&str], codings: &[&str]) -> Result<Vec<u8>, String> {
    if wire.is_empty() || wire.starts_with(b"HTTP/1.") {
        return Ok(Vec::new());
    }
    if !codings.is_empty() {
        let mut body = Vec::new();
        let length = chunked(wire, &mut body).ok_or("a chunk is broken")?;
        *wire = &wire[length..];
        return Ok(body);
    }
    let length: usize = lengths
        .first()
        .and_then(|length| length.parse().ok())
        .ok_or("a body has no length")?;
    let body = wire.get(..length).ok_or("a body is cut")?;
    *wire = &wire[length..];
    Ok(body.to_vec())
}

/// The requests in what a client has sent, and what follows the last that can
/// be read in one way only: one more at most, after which the server closes.
pub(super) fn requests(mut sent: &[u8]) -> (Vec<Asked>, &[u8]) {
    let mut requests = Vec::new();
    loop {
        // RFC 9112, section 2.2: empty lines may stand before a request.
        while let [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] = sent {
            sent = rest;
        }
        match request(sent) {
            Some((length, request)) => {
                requests.push(request);
                sent = &sent[length..];
            }
            None => return (requests, sent),
        }
    }
}

/// A request that leaves no doubt about its length, and whose connection goes
/// on; and that length.
fn request(sent: &[u8]) -> Option<(usize, Asked)> {
    let mut lines = Lines { rest: sent };
    let line = lines.next()?;
    let keeps = if line.ends_with(b" HTTP/1.1") {
        true
    } else if line.ends_with(b" HTTP/1.0") {
        false
    } else {
        return None;
    };
    let (mut length, mut coded, mut kept) = (None, false, keeps);
    let is_measured = matches!(
        line,
        b"POST /api/v1/length HTTP/1.1" | b"PUT /api/v1/length HTTP/1.1"
    );
    let (mut hosts, mut ids) = (0, Vec::new());
    loop {
        let line = lines.next()?;
        if line.is_empty() {
            break;
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.is_empty() || name.iter().any(u8::is_ascii_whitespace) {
            return None;
        }
        let written = String::from_utf8_lossy(value);
        let value = written.to_ascii_lowercase();
        match String::from_utf8_lossy(name).to_ascii_lowercase().as_str() {
            "content-length" => {
                let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                let this: usize = value.parse().ok().filter(|_| digits)?;
                if length.is_some_and(|other| other != this) {
                    return None;
                }
                length = Some(this);
            }
            "transfer-encoding" => {
                if value != "chunked" || coded {
                    return None;
                }
                coded = true;
            }
            "connection" => {
                let has = |word| value.split(',').any(|option| option.trim() == word);
                if has("close") {
                    return None;
                }
                kept |= has("keep-alive");
            }
            "host" if value.bytes().all(is_of_host) => hosts += 1,
            "host" => return None,
            "x-correlation-id" => ids.push(written.into_owned()),
            _ => {}
        }
    }
    // Only the old version, which keeps nothing unasked, need not name one.
    if hosts > 1 || (keeps && hosts == 0) {
        return None;
    }
    let head = sent.len() - lines.rest.len();
    let (whole, length) = match (length, coded) {
        _ if !kept => return None,
        (Some(_), true) => return None,
        (None, true) => {
            let mut body = Vec::new();
            (head + chunked(&sent[head..], &mut body)?, body.len())
        }
        (length, false) => {
            let length = length.unwrap_or(0);
            (head.checked_add(length)?, length)
        }
    };
    let request = Asked {
        ids,
        measured: is_measured.then_some(length),
    };
    (whole <= sent.len()).then_some((whole, request))
}

/// Bytes that are in no host and no port end what some take for one.
fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"/@?#\\".contains(&byte)
}

/// Whether an id may be taken over into the answer.
pub(super) fn is_valid(id: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=128).contains(&id.len()) && id.chars().all(legal)
}

/// Lines that end with LF, before which a CR may stand and nowhere else
/// (RFC 9112, section 2.2).
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|byte| *byte == b'\n')?;
        let line = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        (!line.contains(&b'\r')).then_some(line)
    }
}

/// The length of a chunked body with its trailers (RFC 9112, section 7.1).
fn chunked(wire: &[u8], body: &mut Vec<u8>) -> Option<usize> {
    let mut at = 0;
    loop {
        let end = at + find(&wire[at..], b"\r\n")?;
        let line = wire[at..end].split(|byte| *byte == b';').next()?;
        let digits = std::str::from_utf8(line)
            .ok()?
            .trim_end_matches([' ', '\t']);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let size = usize::from_str_radix(digits, 16).ok()?;
        at = end + 2;
        if size == 0 {
            break;
        }
        let end = at.checked_add(size)?;
        body.extend_from_slice(wire.get(at..end)?);
        at = end + 2;
        if wire.get(end..at)? != b"\r\n" {
            return None;
        }
    }
    loop {
        let end = at + find(&wire[at..], b"\r\n")?;
        let is_last = end == at;
        at = end + 2;
        if is_last {
            return Some(at);
        }
    }
}

pub(super) fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
