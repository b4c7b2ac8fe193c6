//! A server of its own, and a life that is disturbed at one statement of each of its steps.

use std::time::Duration;

use entradb::protocol::value::{Object, Value};
use entradb_emulator::{Emulator, Held, Moment, Options};

use crate::config;
use crate::harness::azure;
use crate::harness::instance::{Failed, Found, Instance};
use crate::harness::message::Told;
use crate::harness::plugin::Plugin;
use crate::resources::world::{ADMINISTRATOR, by_hand};
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
    /// What puts back what was done by a process that died with the record of it: nothing, for what needs no record.
    pub unrecorded: Vec<(&'static str, &'static str)>,
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

/// The server, and what it looks like when nothing disturbs.
pub struct Storm {
    /// The server.
    pub emulator: Emulator,
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
    pub async fn gather(life: impl AsyncFnOnce(&Emulator) -> Life) -> Self {
        let emulator = Emulator::start(Options::default()).await.expect("an emulator");
        let runner = &emulator.runner().object_id;
        let added = emulator.add_administrator(runner, ADMINISTRATOR).await;
        added.expect("the runner becomes an administrator");
        manages_the_password_administrator(&emulator).await;
        let life = life(&emulator).await;
        let mut storm = Self {
            eyes: Eyes::open(&emulator, &DATABASES).await,
            emulator,
            life,
            lengths: [0; STEPS],
            expected: Vec::new(),
        };
        let plugin = storm.provider().await;
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

    /// Leads the life again and again, each step disturbed one statement later each time: killed before each statement
    /// and after the last one; cut off after each; ended before each eighth. Gives how often a blow fell.
    pub async fn rage(&self) -> u32 {
        let mut blows = 0;
        let longest = self.lengths.iter().copied().max().unwrap_or_default();
        for statement in 1..=longest + 1 {
            blows += self.live(Blow::Kill, statement).await;
        }
        for statement in 1..=longest {
            blows += self.live(Blow::Cut, statement).await;
        }
        for statement in (1..=longest).step_by(8) {
            blows += self.live(Blow::Terminate, statement).await;
        }
        let all: u32 = self.lengths.iter().map(|length| 2 * length + 1).sum();
        assert!(
            blows * 10 >= all * 9,
            "{}: {blows} blows at {:?} statements",
            self.life.kind,
            self.lengths
        );
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
    async fn live(&self, blow: Blow, statement: u32) -> u32 {
        let mut blows = 0;
        let mut plugin = self.provider().await;
        self.others(&self.life.before).await;
        let strike = self.strike(blow, statement, 0);
        let kept = self.make(&mut plugin, strike, &mut blows).await;
        self.compare(strike, 0).await;
        let kept = self.recorded(&mut plugin, kept, strike, false).await;
        let strike = self.strike(blow, statement, 1);
        let kept = self.change(&mut plugin, kept, strike, &mut blows).await;
        self.compare(strike, 1).await;
        let kept = self.recorded(&mut plugin, kept, strike, true).await;
        self.others(&self.life.meanwhile).await;
        let strike = self.strike(blow, statement, 2);
        self.destroy(&mut plugin, kept, strike, &mut blows).await;
        self.compare(strike, 2).await;
        self.others(&self.life.after).await;
        self.compare(strike, 3).await;
        blows
    }

    /// What was declared is there; but where a record died with the process, who was what before is known to nobody. Then
    /// others put it back, and everything up to this step is done once more, in calm.
    async fn recorded(&self, plugin: &mut Plugin, kept: Kept, strike: Strike, changed: bool) -> Kept {
        if strike.blow != Blow::Kill || strike.statement == 0 || self.life.unrecorded.is_empty() {
            return kept;
        }
        self.others(&self.life.unrecorded).await;
        let calm = Strike { statement: 0, ..strike };
        let kept = self.make(plugin, calm, &mut 0).await;
        if changed {
            self.change(plugin, kept, calm, &mut 0).await
        } else {
            kept
        }
    }

    async fn compare(&self, strike: Strike, step: usize) {
        let when = ["creation", "change", "destruction", "end"][step];
        if strike.statement == 0 {
            return;
        }
        let differences = differences(&self.expected[step], &self.look().await);
        assert!(
            differences.is_empty(),
            "{} after the {when}, {strike:?}:\n{}",
            self.life.kind,
            differences.join("\n")
        );
        // A session that was killed is undone in a moment, and until then it may hold what it held.
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        for _ in 0..250 {
            looks.tick().await;
            if self.eyes.holding().await == 0 {
                return;
            }
        }
        assert_eq!(
            self.eyes.holding().await,
            0,
            "{} after the {when}, {strike:?}",
            self.life.kind
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
            Step::Killed => before,
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
            Step::Killed => before,
        };
        *plugin = self.provider().await;
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
            // How many objects move at once depends on how fast that was, so some lives are shorter than others.
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

/// On Azure, an administrator manages every ordinary role, the one that owns the databases too; from PostgreSQL 16 on that
/// has to be granted.
pub async fn manages_the_password_administrator(emulator: &Emulator) {
    if emulator.postgresql().major >= 16 {
        let administrator = &emulator.postgresql().administrator;
        let grant = format!("grant {administrator} to {ADMINISTRATOR} with admin true, inherit false, set false");
        by_hand(emulator, "postgres", &grant).await;
    }
}

fn answered<T>(answer: Result<T, Vec<Told>>, strike: Strike) -> T {
    answer.unwrap_or_else(|told| panic!("nothing disturbed, {strike:?}: {told:#?}"))
}
