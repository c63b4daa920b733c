//! People through the plugin `ldap`, beside the plain client library doing the same operations to the same slapd with as
//! many connections: added, then changed. Once the call of the plugin alone, from the record to its outcome, and once the
//! whole way from a plan to an outcome that is committed durably. In turn, in one process.
//!
//! `cargo bench -p provender-tests --bench ldap [-- [distant] [PEOPLE [AT_ONCE [RUNS]]]]`: 2,000 people, 8 at once, 5 runs.
//! `distant`: both reach slapd by a relay that takes one to two milliseconds each way, as over a network.

use std::collections::{BTreeSet, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ldap3::controls::PagedResults;
use ldap3::{Ldap, LdapConnAsync, Mod, Scope};
use provender::registry::record::SubjectKey;
use provender_tests::bench::alone::Alone;
use provender_tests::bench::measure::{connections_to, for_all, median, print_table};
use provender_tests::bench::people::{import_quietly, provision_all};
use provender_tests::host::{CO, TestHost};
use provender_tests::people::person_key;
use provender_tests::relay::{Conduct, Relay};
use provender_tests::slapd::{BASE, BIND_DN, PASSWORD, Slapd};
use serde_json::json;

/// What the plugin reads of an entry, and so the plain client too.
const READ: [&str; 22] = [
    "objectClass",
    "cn",
    "displayName",
    "employeeNumber",
    "employeeType",
    "facsimileTelephoneNumber",
    "givenName",
    "l",
    "labeledURI",
    "mail",
    "mobile",
    "o",
    "ou",
    "postalCode",
    "roomNumber",
    "sn",
    "st",
    "street",
    "telephoneNumber",
    "title",
    "uid",
    "userPassword",
];

/// People per second.
#[derive(Clone, Copy, Default)]
struct Rates {
    added: f64,
    changed: f64,
}

/// Those of one run.
#[derive(Clone, Copy, Default)]
struct Run {
    plugin: Rates,
    whole: Rates,
    plain: Rates,
    previewed: f64,
}

#[derive(Clone, Copy)]
enum Contender {
    Plugin,
    Whole,
    Plain,
}

fn main() {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse().ok());
    let people: usize = numbers.next().unwrap_or(2_000);
    let at_once: usize = numbers.next().unwrap_or(8);
    let runs: usize = numbers.next().unwrap_or(5);
    let distant = std::env::args().any(|argument| argument == "distant");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut bench = Bench::start(people, at_once, distant).await;
        let mut results = Vec::new();
        for run in 0..runs {
            results.push(bench.run(run).await);
        }
        print_results(&results, people, at_once);
        let most = bench.most_connections.load(Ordering::SeqCst);
        println!("\nconnections of the host at once: at most {most}, limit {at_once}");
        assert!(most <= at_once, "the pool keeps its limit");
    });
}

fn print_results(results: &[Run], people: usize, at_once: usize) {
    let median = |of: &dyn Fn(&Run) -> f64| median(results.iter().map(of).collect());
    let row = |what: &str, of: &dyn Fn(&Rates) -> f64| {
        let rate = |of: &dyn Fn(&Run) -> f64| format!("{:.0}", median(of));
        let ratio = |ours: &dyn Fn(&Run) -> f64| format!("{:.2}", median(&|run| ours(run) / of(&run.plain)));
        [
            what.to_owned(),
            rate(&|run| of(&run.plain)),
            rate(&|run| of(&run.plugin)),
            ratio(&|run| of(&run.plugin)),
            rate(&|run| of(&run.whole)),
            ratio(&|run| of(&run.whole)),
        ]
    };
    println!("medians of {} runs, {people} people, {at_once} at once, people per second", results.len());
    print_table(
        ["", "ldap3", "plugin", "of ldap3", "whole way", "of ldap3"],
        &[row("added", &|rates| rates.added), row("changed", &|rates| rates.changed)],
    );
    println!(
        "\npreviews of additions: {:.0} people per second, {:.2} of the whole way of additions",
        median(&|run| run.previewed),
        median(&|run| run.previewed / run.whole.added)
    );
}

struct Bench {
    people: usize,
    at_once: usize,
    slapd: Slapd,
    _relay: Relay,
    /// Where the directory is reached.
    address: SocketAddr,
    test: Arc<TestHost>,
    /// Made when there is somebody to call the plugin for.
    alone: Option<Arc<Alone>>,
    most_connections: AtomicUsize,
}

impl Bench {
    async fn start(people: usize, at_once: usize, distant: bool) -> Self {
        let slapd = Slapd::start();
        let relay = Relay::to("ldap", slapd.address()).await;
        relay.conduct(Conduct::Distant(Duration::from_millis(1)));
        let address = if distant { relay.address() } else { slapd.address() };
        let plain =
            format!("dn: ou=plain,{BASE}\nchangetype: add\nobjectClass: organizationalUnit\nou: plain\n");
        slapd.change(&plain);
        let test = TestHost::start_with(|configuration| {
            configuration.sandbox.instances = 64;
            configuration.workers.jobs = 0;
        })
        .await;
        test.install_bundled("ldap").await;
        let server = json!({
            "kind": "ldap", "url": format!("ldap://{address}"), "base_dns": [BASE], "allow_private_addresses": true,
            "authentication": {"kind": "simple", "bind_dn": BIND_DN, "password": PASSWORD},
            "pacing": {"max_connections": at_once},
        });
        test.server("directory", server).await;
        let target = json!({
            "plugin": "ldap", "slots": {"directory": "directory"}, "concurrency": at_once,
            "configuration": {
                "people_base_dn": format!("ou=people,{BASE}"), "attributes": {"uid": {}, "mail": {}},
            },
        });
        test.target("ldap", target).await;
        let (test, most_connections) = (Arc::new(test), AtomicUsize::new(0));
        let mut bench =
            Self { people, at_once, slapd, _relay: relay, address, test, alone: None, most_connections };
        bench.import("example.org").await;
        bench.alone = Some(Arc::new(Alone::of(&bench.test, "ldap", &bench.subjects()).await));
        bench
    }

    fn subjects(&self) -> Vec<SubjectKey> {
        (0..self.people).map(|number| person_key(&format!("p{number}"))).collect()
    }

    async fn run(&mut self, run: usize) -> Run {
        let mut rates = Run::default();
        self.import("example.org").await;
        rates.previewed = self.preview_all().await;
        // Who is first changes from run to run.
        let mut contenders = [Contender::Plugin, Contender::Whole, Contender::Plain];
        contenders.rotate_left(run % 3);
        for contender in contenders {
            match contender {
                Contender::Plugin => rates.plugin = self.by_plugin().await,
                Contender::Whole => rates.whole = self.by_whole_way().await,
                Contender::Plain => rates.plain = self.by_plain_client().await,
            }
        }
        rates
    }

    async fn by_plugin(&mut self) -> Rates {
        let subjects = self.subjects();
        let mut alone = self.alone.take().expect("calls");
        let mut rates = [0.0; 2];
        for (rate, domain) in rates.iter_mut().zip(["example.org", "example.com"]) {
            self.import(domain).await;
            let idle = Arc::get_mut(&mut alone).expect("no call under way");
            if domain == "example.org" {
                idle.forget();
            }
            idle.look(&self.test, "ldap", &subjects).await;
            *rate = self.watched(self.call_all(&alone)).await;
        }
        let [added, changed] = rates;
        self.alone = Some(alone);
        self.compare_and_clear("people").await;
        Rates { added, changed }
    }

    async fn by_whole_way(&self) -> Rates {
        self.import("example.org").await;
        let added = self.watched(self.rate(self.provision_all())).await;
        self.import("example.com").await;
        let changed = self.watched(self.rate(self.provision_all())).await;
        self.compare_and_clear("people").await;
        Rates { added, changed }
    }

    async fn by_plain_client(&self) -> Rates {
        let clients = self.clients().await;
        let added = self.rate(self.plainly(&clients, Work::Add)).await;
        let changed = self.rate(self.plainly(&clients, Work::Change)).await;
        for mut client in clients {
            client.unbind().await.expect("an end");
        }
        self.compare_and_clear("plain").await;
        Rates { added, changed }
    }

    /// That everybody is there as expected, whoever did it; then nobody is any more.
    async fn compare_and_clear(&self, unit: &'static str) {
        let content = self.slapd.content(&format!("ou={unit},{BASE}"));
        for number in 0..self.people {
            let entry = &content[&format!("uid=p{number},ou={unit},{BASE}")];
            let expected = [
                ("cn", format!("Ágnes Kovács {number}")),
                ("givenName", "Ágnes".to_owned()),
                ("mail", format!("p{number}@example.com")),
                ("sn", format!("Kovács {number}")),
                ("uid", format!("p{number}")),
            ];
            for (name, value) in expected {
                assert_eq!(entry[name], BTreeSet::from([value]), "{name} of {entry:?}");
            }
        }
        let clients = self.clients().await;
        self.plainly(&clients, Work::Remove(unit)).await;
        for mut client in clients {
            client.unbind().await.expect("an end");
        }
    }

    async fn rate(&self, work: impl Future<Output = ()>) -> f64 {
        let started = Instant::now();
        work.await;
        self.people as f64 / started.elapsed().as_secs_f64()
    }

    /// Does something, and counts the host's connections meanwhile.
    async fn watched<T>(&self, work: impl Future<Output = T>) -> T {
        let done = Arc::new(AtomicBool::new(false));
        let (watched, port) = (Arc::clone(&done), self.address.port());
        let watching = std::thread::spawn(move || {
            let mut most = 0;
            while !watched.load(Ordering::Relaxed) {
                most = most.max(connections_to(port));
                // To read it takes a core five milliseconds.
                std::thread::sleep(Duration::from_millis(250));
            }
            most
        });
        let result = work.await;
        done.store(true, Ordering::Relaxed);
        self.most_connections.fetch_max(watching.join().expect("a count"), Ordering::SeqCst);
        result
    }

    async fn import(&self, domain: &str) {
        import_quietly(&self.test, self.people, domain).await;
    }

    async fn provision_all(&self) {
        provision_all(&self.test, "ldap", self.people).await;
    }

    async fn call_all(&self, alone: &Arc<Alone>) -> f64 {
        let alone = Arc::clone(alone);
        for_all(self.people, self.at_once, move |number| {
            let alone = Arc::clone(&alone);
            async move { alone.provision(number).await }
        })
        .await
    }

    async fn preview_all(&self) -> f64 {
        let test = Arc::clone(&self.test);
        for_all(self.people, self.at_once, move |number| {
            let test = Arc::clone(&test);
            async move {
                let person = person_key(&format!("p{number}"));
                let preview = test.host.pipeline.preview(CO, "ldap", &person).await.expect("a preview");
                assert_eq!(preview.ends, None);
            }
        })
        .await
    }

    async fn clients(&self) -> Vec<Ldap> {
        let mut clients = Vec::new();
        for _ in 0..self.at_once {
            let (connection, mut client) =
                LdapConnAsync::new(&format!("ldap://{}", self.address)).await.expect("a connection");
            ldap3::drive!(connection);
            client.simple_bind(BIND_DN, PASSWORD).await.and_then(|bound| bound.success()).expect("a bind");
            clients.push(client);
        }
        clients
    }

    /// Every client does its share.
    async fn plainly(&self, clients: &[Ldap], work: Work) {
        let (count, people) = (clients.len(), self.people);
        let shares: Vec<_> = clients
            .iter()
            .cloned()
            .enumerate()
            .map(|(first, mut client)| {
                tokio::spawn(async move {
                    for number in (first..people).step_by(count) {
                        plain(&mut client, number, work).await;
                    }
                })
            })
            .collect();
        for share in shares {
            share.await.expect("its share");
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Work {
    Add,
    Change,
    /// From this unit.
    Remove(&'static str),
}

/// What the plugin does for one person: it reads the entry, then adds or changes it.
async fn plain(client: &mut Ldap, number: usize, work: Work) {
    let unit = if let Work::Remove(unit) = work { unit } else { "plain" };
    let dn = format!("uid=p{number},ou={unit},{BASE}");
    if let Work::Remove(_) = work {
        client.delete(&dn).await.and_then(|deleted| deleted.success()).expect("a removed entry");
        return;
    }
    let page = PagedResults { size: 500, cookie: Vec::new() };
    let found = client.with_controls(page).search(&dn, Scope::Base, "(objectClass=*)", READ).await;
    let ldap3::SearchResult(entries, answer) = found.expect("an answer");
    let done = match work {
        Work::Add => {
            assert_eq!((entries.len(), answer.rc), (0, 32), "nobody is there yet");
            let one = |value: String| HashSet::from([value]);
            let classes = ["person", "organizationalPerson", "inetOrgPerson"];
            let attributes = vec![
                ("objectClass".to_owned(), classes.into_iter().map(str::to_owned).collect()),
                ("cn".to_owned(), one(format!("Ágnes Kovács {number}"))),
                ("givenName".to_owned(), one("Ágnes".to_owned())),
                ("mail".to_owned(), one(format!("p{number}@example.org"))),
                ("sn".to_owned(), one(format!("Kovács {number}"))),
                ("uid".to_owned(), one(format!("p{number}"))),
            ];
            client.add(&dn, attributes).await
        }
        _ => {
            assert_eq!(entries.len(), 1, "everybody is there");
            let mail = format!("p{number}@example.com");
            client.modify(&dn, vec![Mod::Replace("mail", HashSet::from([mail.as_str()]))]).await
        }
    };
    done.and_then(|answer| answer.success()).expect("a changed entry");
}
