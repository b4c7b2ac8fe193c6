//! Passing a session through, statement by statement, so that a test can stop it at any of them: the client's messages
//! are counted, and one of them, or the answer to it, is held. It does not know what a statement says.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::watch;

use crate::faults::Faults;

/// Where a session is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The client has sent the statement, and the server has not seen it.
    Before,
    /// The server has done it, and the client has not heard of it.
    After,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Counting,
    Held,
    Released,
    Cut,
}

/// What the sessions of a server look at: how many statements there were, and which one is to be held.
#[derive(Debug)]
pub(crate) struct Watch {
    statement: u32,
    moment: Moment,
    count: AtomicU32,
    stage: watch::Sender<Stage>,
}

impl Watch {
    /// Counts a statement; says whether it is the one.
    fn meets(&self) -> bool {
        self.count.fetch_add(1, Ordering::SeqCst) + 1 == self.statement
    }

    /// Holds until the test decides; an error cuts the session.
    async fn hold(&self) -> io::Result<()> {
        self.stage.send_if_modified(|stage| {
            let counting = *stage == Stage::Counting;
            if counting {
                *stage = Stage::Held;
            }
            counting
        });
        let mut stage = self.stage.subscribe();
        // The sender is ours, so it is never gone.
        let decided = stage
            .wait_for(|stage| matches!(stage, Stage::Released | Stage::Cut))
            .await;
        match decided.map(|stage| *stage) {
            Ok(Stage::Released) => Ok(()),
            _ => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

/// One statement that will be held. When this is dropped, a session that is held goes on.
#[derive(Debug)]
pub struct Held(Arc<Watch>);

impl Held {
    pub(crate) fn new(statement: u32, moment: Moment) -> (Held, Arc<Watch>) {
        let watch = Arc::new(Watch {
            statement,
            moment,
            count: AtomicU32::new(0),
            stage: watch::Sender::new(Stage::Counting),
        });
        (Held(watch.clone()), watch)
    }

    /// Waits until the session is held.
    pub async fn reached(&self) {
        let mut stage = self.0.stage.subscribe();
        // The sender is ours, so it is never gone.
        let _ = stage.wait_for(|stage| *stage != Stage::Counting).await;
    }

    /// How many statements clients have sent since, the one that is held included.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.0.count.load(Ordering::SeqCst)
    }

    /// Lets the session go on.
    pub fn release(&self) {
        self.0.stage.send_replace(Stage::Released);
    }

    /// Ends the connection on both sides without a word, as a network does.
    pub fn cut(&self) {
        self.0.stage.send_replace(Stage::Cut);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.stage.send_if_modified(|stage| {
            let open = matches!(stage, Stage::Counting | Stage::Held);
            if open {
                *stage = Stage::Released;
            }
            open
        });
    }
}

/// Passes a session through until one side ends it.
pub(crate) async fn relay<C, S>(faults: &Faults, client: C, server: S) -> io::Result<()>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (from_client, mut to_client) = tokio::io::split(client);
    let (from_server, to_server) = tokio::io::split(server);
    let gate = Gate::default();
    let result = tokio::select! {
        result = statements(faults, &gate, from_client, to_server) => result,
        result = answers(faults, &gate, from_server, &mut to_client) => result,
    };
    // Who is gone needs no farewell.
    let _ = to_client.shutdown().await;
    result
}

/// Whether the answers that come now are held.
#[derive(Default)]
struct Gate(AtomicBool);

async fn statements<R: AsyncRead, W: AsyncWrite>(
    faults: &Faults,
    gate: &Gate,
    mut from: ReadHalf<R>,
    mut to: WriteHalf<W>,
) -> io::Result<()> {
    let (mut frames, mut chunk) = (Frames::default(), vec![0; 16 * 1024]);
    loop {
        let read = from.read(&mut chunk).await?;
        if read == 0 {
            return Ok(());
        }
        let mut sent = 0;
        for (start, kind) in frames.starts(&chunk[..read]) {
            // A query, or the first of the messages that make one.
            let watch = faults.watch().filter(|_| matches!(kind, b'Q' | b'P'));
            let Some(watch) = watch.filter(|watch| watch.meets()) else {
                continue;
            };
            match watch.moment {
                Moment::After => gate.0.store(true, Ordering::SeqCst),
                Moment::Before => {
                    to.write_all(&chunk[sent..start]).await?;
                    to.flush().await?;
                    sent = start;
                    watch.hold().await?;
                }
            }
        }
        to.write_all(&chunk[sent..read]).await?;
        to.flush().await?;
    }
}

async fn answers<R: AsyncRead, W: AsyncWrite>(
    faults: &Faults,
    gate: &Gate,
    mut from: ReadHalf<R>,
    to: &mut WriteHalf<W>,
) -> io::Result<()> {
    let (mut frames, mut chunk, mut kept) = (Frames::default(), vec![0; 16 * 1024], Vec::new());
    loop {
        let read = from.read(&mut chunk).await?;
        if read == 0 {
            return Ok(());
        }
        // The server is ready for the next statement: this one is done.
        let ready = frames.starts(&chunk[..read]).iter().any(|(_, kind)| *kind == b'Z');
        kept.extend_from_slice(&chunk[..read]);
        if gate.0.load(Ordering::SeqCst) {
            if !ready {
                continue;
            }
            gate.0.store(false, Ordering::SeqCst);
            if let Some(watch) = faults.watch() {
                watch.hold().await?;
            }
        }
        to.write_all(&kept).await?;
        to.flush().await?;
        kept.clear();
    }
}

/// Where messages begin in a stream that comes in pieces: a letter, a length that counts itself, the rest.
#[derive(Default)]
struct Frames {
    /// The letter and the length, as far as they are there.
    head: Vec<u8>,
    /// What is missing of the message.
    rest: usize,
}

impl Frames {
    /// The messages that begin in this piece: where, and the letter.
    fn starts(&mut self, piece: &[u8]) -> Vec<(usize, u8)> {
        let (mut found, mut place) = (Vec::new(), 0);
        while place < piece.len() {
            if self.rest > 0 {
                let step = self.rest.min(piece.len() - place);
                (self.rest, place) = (self.rest - step, place + step);
                continue;
            }
            if self.head.is_empty() {
                found.push((place, piece[place]));
            }
            self.head.push(piece[place]);
            place += 1;
            if let [_, a, b, c, d] = self.head[..] {
                let length = u32::from_be_bytes([a, b, c, d]);
                self.rest = usize::try_from(length).unwrap_or_default().saturating_sub(4);
                self.head.clear();
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_however_they_are_cut() {
        let stream = b"Q\0\0\0\x08a;b\0S\0\0\0\x04P\0\0\0\x06xy";
        let whole = Frames::default().starts(stream);
        assert_eq!(whole, [(0, b'Q'), (9, b'S'), (14, b'P')]);
        let mut frames = Frames::default();
        let bits: Vec<u8> = stream
            .chunks(1)
            .flat_map(|piece| frames.starts(piece))
            .map(|(_, kind)| kind)
            .collect();
        assert_eq!(bits, b"QSP");
    }
}
