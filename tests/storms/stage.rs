//! A server of its own, and a life that is disturbed at one statement of each of its steps.

use std::time::Duration;

use entradb::protocol::value::{Object, Value};
use entradb_emulator::{Emulator, Held, Moment};
use futures_util::future::join_all;

use crate::config;
use crate::harness::azure;
use crate::harness::instance::{Failed, Found, Instance};
use crate::harness::message::Told;
use crate::harness::plugin::Plugin;
use crate::resources::world::{ADMINISTRATOR, alone, by_hand};
use crate::storms::picture::{Eyes, differences};

/// The databases that are looked at.
const DATABASES: [&str; 2] = ["app", "openmetadata_db"];

/// What happens at the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// The provider's process is killed.
    Kill,
    /// An administrator of the server ends its session.
    Terminate,
    /// The connection ends without a word.
    Cut,
}

/// One life of one resource: made, changed, destroyed.
pub struct Life {
    /// The type.
    pub kind: &'static str,
    /// As it is made.
    pub made: Object,
    /// As it is changed.
    pub changed: Object,
    /// What others do before it is made, by database.
    pub before: Vec<(&'static str, &'static str)>,
    /// What others do before it is destroyed.
    pub meanwhile: Vec<(&'static str, &'static str)>,
    /// What others do afterwards, so that the next life finds what this one found.
    pub after: Vec<(&'static str, &'static str)>,
}

/// An instance without the process that made it.
struct Kept {
    config: Value,
    state: Value,
    private: Vec<u8>,
    identity: Option<Value>,
    tainted: bool,
}

impl Kept {
    fn of(instance: &Instance<'_>) -> Self {
        Self {
            config: instance.config.clone(),
            state: instance.state.clone(),
            private: instance.private.clone(),
            identity: instance.identity.clone(),
            tainted: instance.tainted,
        }
    }

    fn with<'a>(&self, plugin: &'a Plugin, kind: &str) -> Instance<'a> {
        Instance {
            resource: plugin.resource(kind),
            config: self.config.clone(),
            state: self.state.clone(),
            private: self.private.clone(),
            identity: self.identity.clone(),
            tainted: self.tainted,
        }
    }
}

/// How a step went that was to be disturbed.
enum Step<T> {
    /// The statement did not come.
    Calm(T),
    /// The blow fell, and the call was answered.
    Struck(T),
    /// The process is gone.
    Killed,
}

/// The steps of a life.
const STEPS: usize = 3;

/// How many servers lead lives at once.
const SERVERS: usize = 3;

/// A server, and what it looks like when nothing disturbs.
struct Storm {
    emulator: Emulator,
    eyes: Eyes,
    life: Life,
    /// How many statements each step sends.
    lengths: [u32; STEPS],
    /// What there is after each step, and after what others do last.
    expected: Vec<Vec<String>>,
}

/// Where one step is disturbed, and how.
#[derive(Clone, Copy, Debug)]
struct Strike {
    blow: Blow,
    moment: Moment,
    /// 0: never.
    statement: u32,
}

impl Storm {
    /// Starts a server and leads the life once, in calm.
    async fn gather(settings: &[(&str, &str)], life: &impl AsyncFn(&Emulator) -> Life) -> Self {
        let emulator = alone(settings).await;
        let life = life(&emulator).await;
        let mut storm = Self {
            eyes: Eyes::open(&emulator, &DATABASES).await,
            emulator,
            life,
            lengths: [0; STEPS],
            expected: Vec::new(),
        };
        let plugin = storm.provider().await;
        let untouched = storm.look().await;
        storm.others(&storm.life.before).await;
        let counted = storm.hold(0, Moment::Before);
        let mut made = plugin.resource(storm.life.kind).create(storm.life.made.clone()).await;
        storm.lengths[0] = counted.count();
        made.settled().await;
        storm.expected.push(storm.look().await);
        let planned = made.plan(storm.life.changed.clone()).await.expect("a plan");
        let counted = storm.hold(0, Moment::Before);
        made.apply(planned).await.expect("a change");
        storm.lengths[1] = counted.count();
        made.settled().await;
        storm.expected.push(storm.look().await);
        storm.others(&storm.life.meanwhile).await;
        let counted = storm.hold(0, Moment::Before);
        made.destroy().await;
        storm.lengths[2] = counted.count();
        storm.expected.push(storm.look().await);
        storm.others(&storm.life.after).await;
        storm.expected.push(storm.look().await);
        let left = differences(&untouched, &storm.expected[STEPS]);
        assert!(left.is_empty(), "{} leaves:\n{}", storm.life.kind, left.join("\n"));
        storm
    }

    async fn provider(&self) -> Plugin {
        azure::provider(&self.emulator).await
    }

    fn hold(&self, statement: u32, moment: Moment) -> Held {
        self.emulator.faults().hold_statement(statement, moment)
    }

    async fn look(&self) -> Vec<String> {
        self.eyes.picture().await
    }

    async fn others(&self, acts: &[(&str, &str)]) {
        for (database, statements) in acts {
            by_hand(&self.emulator, database, statements).await;
        }
    }

    /// Leads its share of the lives, one after the other. Gives how often a blow fell.
    async fn rage(&self, lives: &[(Blow, u32)]) -> u32 {
        let (mut plugin, mut blows) = (self.provider().await, 0);
        for (blow, statement) in lives {
            // Nothing of the life before is known any more, as in another process.
            plugin.configure(config! {}).await;
            blows += self.live(&mut plugin, *blow, *statement).await;
        }
        blows
    }

    fn strike(&self, blow: Blow, statement: u32, step: usize) -> Strike {
        let length = self.lengths[step];
        let moment = match blow {
            Blow::Cut => Moment::After,
            // Before the next statement is after this one; only the last one has no next.
            Blow::Kill if statement == length + 1 => Moment::After,
            Blow::Kill | Blow::Terminate => Moment::Before,
        };
        let statement = match moment {
            Moment::After if blow == Blow::Kill => length,
            _ if statement > length => 0,
            _ => statement,
        };
        Strike {
            blow,
            moment,
            statement,
        }
    }

    /// One life, each step of which is disturbed at this statement. Gives how many were.
    async fn live(&self, plugin: &mut Plugin, blow: Blow, statement: u32) -> u32 {
        let mut blows = 0;
        self.others(&self.life.before).await;
        let strike = self.strike(blow, statement, 0);
        let kept = self.make(plugin, strike, &mut blows).await;
        self.compare(strike, 0).await;
        let strike = self.strike(blow, statement, 1);
        let kept = self.change(plugin, kept, strike, &mut blows).await;
        self.compare(strike, 1).await;
        self.others(&self.life.meanwhile).await;
        let strike = self.strike(blow, statement, 2);
        self.destroy(plugin, kept, strike, &mut blows).await;
        self.compare(strike, 2).await;
        self.others(&self.life.after).await;
        self.compare(strike, 3).await;
        blows
    }

    async fn compare(&self, strike: Strike, step: usize) {
        let when = ["creation", "change", "destruction", "end"][step];
        if strike.statement == 0 {
            return;
        }
        // A session that was killed is undone in a moment, and until then it may hold what it held.
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        let mut holding = self.eyes.holding().await;
        for _ in 0..250 {
            if holding == 0 {
                break;
            }
            looks.tick().await;
            holding = self.eyes.holding().await;
        }
        assert_eq!(holding, 0, "{} after the {when}, {strike:?}", self.life.kind);
        let differences = differences(&self.expected[step], &self.look().await);
        assert!(
            differences.is_empty(),
            "{} after the {when}, {strike:?}:\n{}",
            self.life.kind,
            differences.join("\n")
        );
    }

    async fn make(&self, plugin: &mut Plugin, strike: Strike, blows: &mut u32) -> Kept {
        let resource = plugin.resource(self.life.kind);
        let create = resource.try_create(self.life.made.clone());
        let kept = match self.disturbed(plugin, strike, create, blows).await {
            Step::Calm(made) => return Kept::of(&answered(made.map_err(|failed| failed.told), strike)),
            Step::Struck(Ok(made)) => Some(Kept::of(&made)),
            Step::Struck(Err(Failed { left, .. })) => Some(Kept::of(&left)),
            Step::Killed => None,
        };
        let mut made = match kept {
            Some(kept) => self.again(plugin, kept, &self.life.made).await,
            None => {
                *plugin = self.provider().await;
                plugin.resource(self.life.kind).create(self.life.made.clone()).await
            }
        };
        made.settled().await;
        Kept::of(&made)
    }

    async fn change(&self, plugin: &mut Plugin, before: Kept, strike: Strike, blows: &mut u32) -> Kept {
        let mut instance = before.with(plugin, self.life.kind);
        let planned = instance.plan(self.life.changed.clone()).await.expect("a plan");
        let step = self.disturbed(plugin, strike, instance.apply(planned), blows).await;
        let kept = match step {
            Step::Calm(told) => {
                answered(told, strike);
                return Kept::of(&instance);
            }
            Step::Struck(_) => Kept::of(&instance),
            // Without an answer, Terraform keeps the state of before, but nothing that is private.
            Step::Killed => Kept {
                private: Vec::new(),
                ..before
            },
        };
        if strike.blow == Blow::Kill {
            *plugin = self.provider().await;
        }
        let mut changed = self.again(plugin, kept, &self.life.changed).await;
        changed.settled().await;
        Kept::of(&changed)
    }

    async fn destroy(&self, plugin: &mut Plugin, before: Kept, strike: Strike, blows: &mut u32) {
        let mut instance = before.with(plugin, self.life.kind);
        let kept = match self.disturbed(plugin, strike, instance.try_destroy(), blows).await {
            Step::Calm(told) => {
                answered(told, strike);
                return;
            }
            Step::Struck(Ok(_)) => return,
            Step::Struck(Err(_)) => Kept::of(&instance),
            Step::Killed => {
                *plugin = self.provider().await;
                before
            }
        };
        plugin.configure(config! {}).await;
        let mut left = kept.with(plugin, self.life.kind);
        if left.refresh().await != Found::Gone {
            left.destroy().await;
        }
    }

    /// What the person does: applies again, with a refresh before, as Terraform does.
    async fn again<'a>(&self, plugin: &'a Plugin, kept: Kept, given: &Object) -> Instance<'a> {
        plugin.configure(config! {}).await;
        let mut instance = kept.with(plugin, self.life.kind);
        if instance.exists() {
            instance.refresh().await;
        }
        instance.update(given.clone()).await;
        instance
    }

    async fn disturbed<T>(
        &self,
        plugin: &Plugin,
        strike: Strike,
        step: impl Future<Output = T>,
        blows: &mut u32,
    ) -> Step<T> {
        let held = self.hold(strike.statement, strike.moment);
        let mut step = std::pin::pin!(step);
        tokio::select! {
            biased;
            answer = &mut step => return Step::Calm(answer),
            () = held.reached() => *blows += 1,
        }
        match strike.blow {
            Blow::Kill => {
                plugin.process().expect("a process").kill();
                held.cut();
                return Step::Killed;
            }
            Blow::Terminate => {
                self.eyes.terminate(ADMINISTRATOR).await;
                held.release();
            }
            Blow::Cut => held.cut(),
        }
        Step::Struck(step.await)
    }
}

/// Leads a life again and again on servers of its own, several at once since most of a life is waiting. Each step is disturbed one statement later
/// each time: killed before each statement and after the last one, cut off after each, ended before each. All blows but a few have to fall.
pub async fn everywhere(life: impl AsyncFn(&Emulator) -> Life) {
    lead(&[], 98, life).await;
}

/// The same, for a life that is shorter where the server is fast, on servers with these settings: most of the blows have to fall.
pub async fn almost_everywhere(settings: &[(&str, &str)], life: impl AsyncFn(&Emulator) -> Life) {
    lead(settings, 90, life).await;
}

async fn lead(settings: &[(&str, &str)], percent: u32, life: impl AsyncFn(&Emulator) -> Life) {
    let storms = join_all((0..SERVERS).map(|_| Storm::gather(settings, &life))).await;
    let (kind, lengths) = (storms[0].life.kind, storms[0].lengths);
    let longest = lengths.iter().copied().max().unwrap_or_default();
    let lives = [
        (Blow::Kill, longest + 1),
        (Blow::Cut, longest),
        (Blow::Terminate, longest),
    ];
    let lives = lives.map(|(blow, last)| (1..=last).map(move |statement| (blow, statement)));
    let lives: Vec<(Blow, u32)> = lives.into_iter().flatten().collect();
    let share = |first: usize| lives.iter().copied().skip(first).step_by(SERVERS).collect::<Vec<_>>();
    let raging = storms
        .iter()
        .enumerate()
        .map(async |(first, storm)| storm.rage(&share(first)).await);
    let blows: u32 = join_all(raging).await.into_iter().sum();
    let all: u32 = lengths.iter().map(|length| 3 * length + 1).sum();
    // A lock that is waited for once more makes a life longer, once.
    let nearly_all = blows + 2 >= all || blows * 100 >= all * percent;
    assert!(
        blows > 10 && nearly_all,
        "{kind}: {blows} of {all} blows at {lengths:?} statements"
    );
}

fn answered<T>(answer: Result<T, Vec<Told>>, strike: Strike) -> T {
    answer.unwrap_or_else(|told| panic!("nothing disturbed, {strike:?}: {told:#?}"))
}
