//! The same people by a plain client library, by calls of a plugin alone, by the whole way, and as previews: in turn, so that
//! whatever disturbs the machine disturbs all of them.

use std::sync::Arc;

use provender::provisioning::InvocationOutcome;
use provender::registry::record::SubjectKey;

use super::alone::Alone;
use super::measure::{for_all, median, print_table};
use crate::host::{CO, TestHost};
use crate::people::person_key;

/// By what people reach a counterpart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The client library, with nothing of ours.
    Plain,
    /// A call of the plugin, from the record to its outcome.
    Plugin,
    /// From a request to an outcome that is committed durably.
    Whole,
    /// They do not.
    Preview,
}

const WAYS: [Way; 4] = [Way::Plain, Way::Plugin, Way::Whole, Way::Preview];

/// The people "p0", "p1" and so on, and the target that they are provisioned to.
pub struct Ways {
    test: Arc<TestHost>,
    target: &'static str,
    plugin: Arc<Alone>,
    people: usize,
    at_once: usize,
}

impl Ways {
    pub async fn to(test: TestHost, target: &'static str, people: usize, at_once: usize) -> Self {
        let subjects: Vec<SubjectKey> = (0..people).map(|number| person_key(&format!("p{number}"))).collect();
        let plugin = Arc::new(Alone::of(&test, target, &subjects).await);
        Self { test: Arc::new(test), target, plugin, people, at_once }
    }

    pub fn host(&self) -> &TestHost {
        &self.test
    }

    /// People per second by calls of the plugin.
    pub async fn by_plugin(&self) -> f64 {
        let plugin = Arc::clone(&self.plugin);
        for_all(self.people, self.at_once, move |number| {
            let plugin = Arc::clone(&plugin);
            async move { plugin.provision(number).await }
        })
        .await
    }

    /// People per second by the whole way, with so many requests at once.
    pub async fn by_requests(&self, at_once: usize) -> f64 {
        let (test, target) = (Arc::clone(&self.test), self.target);
        for_all(self.people, at_once, move |number| {
            let test = Arc::clone(&test);
            async move {
                let person = person_key(&format!("p{number}"));
                let done = test.host.pipeline.provision(CO, target, &person).await.expect("an outcome");
                assert!(
                    matches!(done.outcome, Some(InvocationOutcome::Applied { .. })),
                    "{:?}",
                    done.outcome
                );
            }
        })
        .await
    }

    async fn by_previews(&self) -> f64 {
        let (test, target) = (Arc::clone(&self.test), self.target);
        for_all(self.people, self.at_once, move |number| {
            let test = Arc::clone(&test);
            async move {
                let person = person_key(&format!("p{number}"));
                let preview = test.host.pipeline.preview(CO, target, &person).await.expect("a preview");
                assert_eq!(preview.ends, None);
            }
        })
        .await
    }

    /// Goes all ways, so many times, and prints how many people went each in a second. `begin` and `end` are called around
    /// each.
    pub async fn compare(
        &self,
        library: &str,
        runs: usize,
        plain: impl AsyncFn() -> f64,
        begin: impl Fn(),
        mut end: impl FnMut(Way),
    ) {
        let mut all: [Vec<f64>; 6] = Default::default();
        for run in 0..runs {
            let mut rates = [0.0; 4];
            // Who is first changes from run to run.
            for number in (0..WAYS.len()).map(|number| (number + run) % WAYS.len()) {
                begin();
                rates[number] = match WAYS[number] {
                    Way::Plain => plain().await,
                    Way::Plugin => self.by_plugin().await,
                    Way::Whole => self.by_requests(self.at_once).await,
                    Way::Preview => self.by_previews().await,
                };
                end(WAYS[number]);
            }
            let [plain, plugin, whole, _] = rates;
            let ratios = [plugin / plain, whole / plain];
            all.iter_mut().zip(rates.into_iter().chain(ratios)).for_each(|(all, one)| all.push(one));
        }
        let [plain, plugin, whole, previewed, plugin_ratio, whole_ratio] = all.map(median);
        println!("medians of {runs} runs, {} people, {} at once", self.people, self.at_once);
        let row = |way: &str, rate: f64, ratio: String| [way.to_owned(), format!("{rate:.0}"), ratio];
        let rows = [
            row(&format!("{library} alone"), plain, String::new()),
            row("plugin", plugin, format!("{plugin_ratio:.2}")),
            row("whole way", whole, format!("{whole_ratio:.2}")),
            row("preview", previewed, String::new()),
        ];
        print_table(["", "people per second", &format!("of {library} alone")], &rows);
    }

    /// Stops the host.
    pub async fn stop(self) {
        drop(self.plugin);
        Arc::into_inner(self.test).expect("no call under way").host.stop().await;
    }
}
