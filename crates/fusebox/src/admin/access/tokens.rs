//! The file of tokens. Secrets are kept as digests, and compared without telling how much of one was right.

use super::{Caller, Scope};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, io};
use subtle::{Choice, ConstantTimeEq};
use toml::{Table, Value};

/// The longest file.
const LONGEST: u64 = 256 << 10;
/// Characters of a secret, at least.
const SHORTEST_SECRET: usize = 16;
/// Characters of a name.
const LONGEST_NAME: usize = 64;

/// What is wrong with a file of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFileError {
    path: PathBuf,
    why: String,
}

impl TokenFileError {
    /// Without the path, for those who need not know it.
    pub(super) fn why(&self) -> &str {
        &self.why
    }
}

impl fmt::Display for TokenFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read the tokens in {}: {}", self.path.display(), self.why)
    }
}

impl std::error::Error for TokenFileError {}

#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
    known: Mutex<Known>,
}

/// What was read last.
#[derive(Clone, Debug)]
struct Known {
    digest: [u8; 32],
    tokens: Arc<[Token]>,
}

#[derive(Debug)]
struct Token {
    caller: Caller,
    digest: [u8; 32],
}

impl TokenFile {
    pub(super) fn open(path: &Path) -> Result<TokenFile, TokenFileError> {
        let known = read(path).and_then(|text| Known::parse(&text));
        let known = known.map_err(|why| TokenFileError { path: path.into(), why })?;
        Ok(TokenFile { path: path.into(), known: Mutex::new(known) })
    }

    /// Whose `secret` is, by the file as it is now.
    pub(super) fn find(&self, secret: &str) -> Result<Option<Caller>, TokenFileError> {
        let tokens = self.tokens().map_err(|why| TokenFileError { path: self.path.clone(), why })?;
        let given: [u8; 32] = Sha256::digest(secret).into();
        // Every token is compared, and all of it, whatever was found before.
        let found = tokens.iter().fold(None, |found, token| {
            let is_it: Choice = token.digest.ct_eq(&given);
            if bool::from(is_it) { Some(token.caller.clone()) } else { found }
        });
        Ok(found)
    }

    /// The file is small and read each time, so that a token that was taken out of it is out with the next request.
    fn tokens(&self) -> Result<Arc<[Token]>, String> {
        let text = read(&self.path)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.digest != <[u8; 32]>::from(Sha256::digest(&text)) {
            *known = Known::parse(&text)?;
        }
        Ok(known.tokens.clone())
    }
}

fn read(path: &Path) -> Result<String, String> {
    let failed = |error: io::Error| error.to_string();
    // Opening a pipe would wait for whoever writes into it.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err("it is no regular file".into());
    }
    let file = File::open(path).map_err(failed)?;
    check_permissions(&file)?;
    let mut text = String::new();
    file.take(LONGEST + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    Ok(text)
}

#[cfg(unix)]
fn check_permissions(file: &File) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    let mode = file.metadata().map_err(|error| error.to_string())?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!("permissions: found {mode:03o}, accepted: its owner's alone; chmod 600"));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_permissions(_: &File) -> Result<(), String> {
    Ok(())
}

impl Known {
    fn parse(text: &str) -> Result<Known, String> {
        let table = text.parse::<Table>().map_err(|error| {
            // Its own text would show the line, and a secret with it.
            let line =
                error.span().map_or(0, |span| text[..span.start.min(text.len())].lines().count().max(1));
            format!("line {line}: this is no TOML: {}", error.message().lines().next().unwrap_or_default())
        })?;
        if let Some(other) = table.keys().find(|key| *key != "token") {
            return Err(format!("found {other:?}, accepted: [[token]] tables"));
        }
        let tables = match table.get("token") {
            Some(Value::Array(tables)) if !tables.is_empty() => tables,
            _ => return Err("it holds no token; accepted: one or more [[token]] tables".into()),
        };
        let mut tokens = Vec::<Token>::with_capacity(tables.len());
        for (number, table) in tables.iter().enumerate() {
            let token = Token::parse(table).map_err(|why| format!("token {}: {why}", number + 1))?;
            if tokens.iter().any(|other| other.caller.name == token.caller.name) {
                return Err(format!("token {}: name: another has the same", number + 1));
            }
            if tokens.iter().any(|other| other.digest == token.digest) {
                return Err(format!("token {}: secret: another has the same", number + 1));
            }
            tokens.push(token);
        }
        Ok(Known { digest: Sha256::digest(text).into(), tokens: tokens.into() })
    }
}

impl Token {
    /// What is found is told, unless it may be a secret.
    fn parse(table: &Value) -> Result<Token, String> {
        let table = table.as_table().ok_or("accepted: a table")?;
        if let Some(other) =
            table.keys().find(|key| !["name", "scope", "secret", "sha256"].contains(&key.as_str()))
        {
            return Err(format!("found {other:?}, accepted: name, scope, and secret or sha256"));
        }
        let name = table.get("name").and_then(Value::as_str).unwrap_or_default();
        let is_plain = |c: char| c.is_alphanumeric() || "-_.@+".contains(c);
        if name.is_empty() || name.chars().count() > LONGEST_NAME || !name.chars().all(is_plain) {
            let accepted = format!("1 to {LONGEST_NAME} letters, digits and any of - _ . @ +");
            return Err(format!("name: found {name:?}, accepted: {accepted}"));
        }
        let scope = table.get("scope").and_then(Value::as_str).unwrap_or_default();
        let scope = Scope::named(scope)
            .ok_or_else(|| format!("scope: found {scope:?}, accepted: \"read\" or \"operate\""))?;
        let digest = match (table.get("secret"), table.get("sha256")) {
            (Some(secret), None) => digest_of(secret)?,
            (None, Some(digest)) => {
                digest.as_str().and_then(unhex).ok_or("sha256: accepted: 64 hexadecimal digits")?
            }
            _ => return Err("accepted: either secret or sha256".into()),
        };
        Ok(Token { caller: Caller { name: Some(name.into()), scope }, digest })
    }
}

fn digest_of(secret: &Value) -> Result<[u8; 32], String> {
    let secret = secret.as_str().ok_or("secret: accepted: text")?;
    let length = secret.chars().count();
    if length < SHORTEST_SECRET {
        return Err(format!("secret: found {length} characters, accepted: {SHORTEST_SECRET} or more"));
    }
    if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(
            "secret: accepted: letters, digits and signs of ASCII, no spaces, as a header can carry them"
                .into(),
        );
    }
    Ok(Sha256::digest(secret).into())
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(bytes)
}
