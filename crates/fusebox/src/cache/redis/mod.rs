//! A level that several processes share, in Redis.
//!
//! An entry is a string that expires: `SET prefix1:name bytes PX ms`. A group is forgotten by giving it a new token, which
//! entries carry from when they were written: one token is read beside an entry, and one is written however many entries are
//! in the group and whoever they are for.

mod address;

pub use address::RedisAddress;

use super::second::{LONGEST, LevelError, Place, SecondLevel, Work, Write, record};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, FromRedisValue, Pipeline, RedisError};
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// A group's token; zeros before the group was first forgotten.
type Token = [u8; 16];

/// Entries in a Redis. A cheap handle: clones share one connection.
#[derive(Clone)]
pub struct Redis {
    client: Client,
    shown: RedisAddress,
    prefix: Arc<str>,
    /// The connection, if there is one, and its number.
    connection: Arc<Mutex<(u64, Option<MultiplexedConnection>)>>,
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("at", &self.shown).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Redis {
    /// The Redis at this address. Connects when it is needed, and again after every fault.
    ///
    /// # Errors
    ///
    /// [`LevelError::Unavailable`], where an address means nothing on this system.
    pub fn at(address: RedisAddress) -> Result<Self, LevelError> {
        let client = Client::open(address.info.clone());
        Ok(Redis {
            client: client.map_err(|_| LevelError::Unavailable(format!("{address} is no address here")))?,
            shown: address,
            prefix: "fusebox:".into(),
            connection: Arc::default(),
        })
    }

    /// What the names of all entries begin with. Default: `fusebox:`.
    pub fn prefix(self, prefix: impl Into<Arc<str>>) -> Self {
        Redis { prefix: prefix.into(), ..self }
    }

    fn entry(&self, place: &Place) -> String {
        format!("{}1:{}", self.prefix, place.entry)
    }

    fn group(&self, group: &str) -> String {
        format!("{}1:g:{group}", self.prefix)
    }

    async fn ask<T: FromRedisValue>(&self, pipe: &Pipeline) -> Result<T, RedisError> {
        let (number, mut connection) = self.connected().await?;
        // Given up in the middle, or broken, it is nothing to ask on again.
        let mut suspect = Suspect(Some((self, number)));
        let answer = pipe.query_async(&mut connection).await;
        if answer.as_ref().err().is_none_or(is_spoken) {
            suspect.0 = None;
        }
        answer
    }

    async fn connected(&self) -> Result<(u64, MultiplexedConnection), RedisError> {
        let mut slot = self.connection.lock().await;
        let (number, known) = &mut *slot;
        if let Some(connection) = known {
            return Ok((*number, connection.clone()));
        }
        // The level has a time limit of its own.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let made = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        *number += 1;
        *known = Some(made.clone());
        Ok((*number, made))
    }

    async fn read(&self, place: &Place, most: usize) -> Result<Option<Vec<u8>>, RedisError> {
        let mut pipe = redis::pipe();
        // One byte too many is enough to see that it is too long.
        pipe.cmd("GETRANGE").arg(self.entry(place)).arg(0).arg(most + size_of::<Token>());
        if let Some(group) = &place.group {
            pipe.cmd("GETRANGE").arg(self.group(group)).arg(0).arg(size_of::<Token>() - 1);
        }
        let answer: Result<Vec<Option<Vec<u8>>>, _> = self.ask(&pipe).await;
        let mut answer = match answer {
            Ok(answer) => answer.into_iter(),
            // Somebody else's value under our name.
            Err(error) if is_foreign(&error) => return Ok(Some(Vec::new())),
            Err(error) => return Err(error),
        };
        let bytes = answer.next().flatten().unwrap_or_default();
        let token = token(answer.next().flatten());
        Ok(match bytes.split_first_chunk() {
            None if bytes.is_empty() => None,
            None => Some(bytes),
            // What begins like no entry is for the reader to refuse, whatever its token.
            Some((written, entry)) => (token == *written || !record::is_one(entry)).then(|| entry.to_vec()),
        })
    }

    async fn write(&self, writes: Vec<Write>) -> Result<(), RedisError> {
        let mut tokens = self.tokens(&writes).await?;
        let (mut pipe, random) = (redis::pipe(), RandomState::new());
        for (number, write) in writes.into_iter().enumerate() {
            match write {
                Write::Put { place, bytes, keep_for } => {
                    let token = place.group.as_ref().and_then(|group| tokens.get(group)).copied();
                    let value = [token.unwrap_or_default().as_slice(), &bytes].concat();
                    pipe.cmd("SET")
                        .arg(self.entry(&place))
                        .arg(value)
                        .arg("PX")
                        .arg(millis(keep_for))
                        .ignore();
                }
                Write::Forget(Place { group: Some(group), .. }) => {
                    let halves = [random.hash_one((number, 0)), random.hash_one((number, 1))];
                    let token: Token = (u128::from(halves[0]) << 64 | u128::from(halves[1])).to_be_bytes();
                    let name = self.group(&group);
                    // Longer than any entry that has another one.
                    pipe.cmd("SET").arg(name).arg(&token).arg("PX").arg(millis(LONGEST + LONGEST)).ignore();
                    tokens.insert(group, token);
                }
                Write::Forget(place) => {
                    pipe.cmd("DEL").arg(self.entry(&place)).ignore();
                }
            }
        }
        self.ask(&pipe).await
    }

    /// The tokens of the groups that something is put in.
    async fn tokens(&self, writes: &[Write]) -> Result<HashMap<String, Token>, RedisError> {
        let group = |write: &Write| match write {
            Write::Put { place, .. } => place.group.clone(),
            Write::Forget(_) => None,
        };
        let groups: Vec<String> = writes.iter().filter_map(group).collect();
        if groups.is_empty() {
            return Ok(HashMap::new());
        }
        let mut pipe = redis::pipe();
        for group in &groups {
            pipe.cmd("GETRANGE").arg(self.group(group)).arg(0).arg(size_of::<Token>() - 1);
        }
        let found: Vec<Option<Vec<u8>>> = self.ask(&pipe).await?;
        Ok(groups.into_iter().zip(found.into_iter().map(token)).collect())
    }
}

/// A connection that is dropped unless somebody says it is well.
struct Suspect<'a>(Option<(&'a Redis, u64)>);

impl Drop for Suspect<'_> {
    fn drop(&mut self) {
        if let Some((redis, number)) = self.0
            && let Ok(mut slot) = redis.connection.try_lock()
            && slot.0 == number
        {
            slot.1 = None;
        }
    }
}

fn token(found: Option<Vec<u8>>) -> Token {
    found.and_then(|bytes| bytes.try_into().ok()).unwrap_or_default()
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// Whether the server said it, on a connection that is well.
fn is_spoken(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::UnexpectedReturnType)
}

/// Whether what it holds under our name is no string.
fn is_foreign(error: &RedisError) -> bool {
    says(error, &["WRONGTYPE"])
}

/// Whether the server answered with one of these codes.
fn says(error: &RedisError, codes: &[&str]) -> bool {
    let said = error.clone().into_server_errors();
    said.is_some_and(|all| all.iter().any(|(_, error)| codes.contains(&error.code())))
}

fn told(error: &RedisError) -> LevelError {
    if is_spoken(error) {
        LevelError::Failed(error.to_string())
    } else {
        LevelError::Unavailable(error.to_string())
    }
}

impl SecondLevel for Redis {
    fn get<'a>(&'a self, place: &'a Place, most: usize) -> Work<'a, Option<Vec<u8>>> {
        Box::pin(async move { self.read(place, most).await.map_err(|error| told(&error)) })
    }

    fn apply(&self, writes: Vec<Write>) -> Work<'_, ()> {
        Box::pin(async move {
            self.write(writes).await.map_err(|error| match says(&error, &["OOM", "READONLY", "MISCONF"]) {
                true => LevelError::Refused(error.to_string()),
                false => told(&error),
            })
        })
    }
}
