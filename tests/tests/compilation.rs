//! How components are compiled: by a process with limits, which no component can use against the host.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use provender::capabilities::plugin::{Plugin, PluginHost};
use provender::plugins::Catalog;
use provender::sandbox::{CompileLimits, Compiler, Refused, Settings};
use provender_tests::calls::nothing_granted;
use provender_tests::costly;
use provender_tests::guests::{MISBEHAVING, MISBEHAVING_FILTER};
use provender_tests::host::{CO, TestHost, history};
use provender_tests::people::{person, person_key};
use provender_tests::process::Program;
use provender_tests::waiting::{eventually, until};
use serde_json::json;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_provender-under-test");

/// Long enough for anything that is to end by itself.
const LONG: u64 = 600;

const GIB: u64 = 1 << 30;

/// A sandbox that begins with nothing compiled.
struct Bench {
    folder: TempDir,
    host: PluginHost,
}

/// Of a program with a path of its own, by which its processes are known from those of other tests.
fn own_program(folder: &Path) -> Compiler {
    let program = folder.join("compiler");
    std::os::unix::fs::symlink(PROGRAM, &program).unwrap();
    Compiler::Process { program, arguments: vec!["compile-component".into()] }
}

/// A compiler that does what a script says.
fn script(script: &str) -> Compiler {
    let script = format!("ulimit -c 0; {script}");
    Compiler::Process { program: "/bin/sh".into(), arguments: vec!["-c".into(), script.into()] }
}

/// A compiler that is not there.
fn absent() -> Compiler {
    Compiler::Process { program: "/absent/compiler".into(), arguments: Vec::new() }
}

impl Bench {
    /// With the compiler of the host.
    fn start(seconds: u64, memory_bytes: u64) -> Self {
        Self::with(own_program, CompileLimits { seconds, memory_bytes })
    }

    /// With a compiler that does what a script says.
    fn scripted(text: &str) -> Self {
        Self::with(|_| script(text), CompileLimits { seconds: LONG, memory_bytes: GIB })
    }

    fn with(compiler: impl FnOnce(&Path) -> Compiler, compile_limits: CompileLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = PluginHost::start(&Settings {
            compiler: compiler(folder.path()),
            compile_limits,
            ..Settings::small(folder.path().join("compiled"), [7; 32])
        });
        Self { folder, host: host.unwrap() }
    }

    async fn load(&self, component: &[u8]) -> Result<Plugin, Refused> {
        self.host.load(&Catalog::digest(component), component.into()).await
    }

    /// Loads what is refused, twice, and gives the reason.
    async fn refused(&self, component: &[u8]) -> Refused {
        let refused = self.load(component).await.err().expect("a refusal");
        assert_eq!(self.load(component).await.err().as_ref(), Some(&refused), "a second try says the same");
        self.assert_nothing_left();
        refused
    }

    /// The text of what is refused, as a person reads it.
    async fn refusal(&self, component: &[u8]) -> String {
        self.refused(component).await.to_string()
    }

    fn assert_nothing_left(&self) {
        assert_eq!(compiled(&self.folder.path().join("compiled")), Vec::<PathBuf>::new());
        assert_eq!(self.compilers(), Vec::<u32>::new());
    }

    /// Processes that compile for this sandbox.
    fn compilers(&self) -> Vec<u32> {
        let program = self.folder.path().join("compiler");
        processes(|arguments| arguments.first().is_some_and(|first| Path::new(first) == program))
    }
}

fn compiled(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Processes whose arguments are such. One that has ended has none.
fn processes(are: impl Fn(&[String]) -> bool) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|id| {
            let line = fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
            are(&line.split('\0').map(str::to_owned).collect::<Vec<_>>())
        })
        .collect()
}

fn kill(id: u32) {
    assert!(Command::new("kill").args(["-KILL", &id.to_string()]).status().unwrap().success());
}

mod a_component_is_refused {
    use super::*;

    #[tokio::test]
    async fn that_takes_too_long_to_compile() {
        let bench = Bench::start(1, 4 * GIB);
        insta::assert_snapshot!(
            bench.refusal(&costly::slow()).await,
            @"takes longer than 1 s to compile; split its largest functions, build it optimised, or raise `sandbox.compile_seconds`"
        );
    }

    #[tokio::test]
    async fn that_takes_too_much_memory_to_compile() {
        let bench = Bench::start(LONG, GIB);
        insta::assert_snapshot!(
            bench.refusal(&costly::large()).await,
            @"needs more than 1073741824 bytes of memory to compile; split its largest functions, build it optimised, or raise `sandbox.compile_memory_bytes`"
        );
    }

    #[tokio::test]
    async fn that_is_not_valid_in_the_words_of_the_validator() {
        let here = Bench::with(|_| Compiler::InProcess, CompileLimits { seconds: LONG, memory_bytes: GIB });
        let process = Bench::start(LONG, GIB);
        let refused = process.refused(&costly::invalid()).await;
        assert_eq!(here.refused(&costly::invalid()).await, refused);
        insta::assert_snapshot!(
            refused,
            @"is not a valid component: failed to compile: wasm[0]::function[0]: WebAssembly translation error: Invalid input WebAssembly code at offset 35: type mismatch: values remaining on stack at end of block"
        );
    }

    #[tokio::test]
    async fn that_is_cut_off_or_nested_too_deeply_before_it_is_compiled() {
        let bench = Bench::with(|_| absent(), CompileLimits { seconds: LONG, memory_bytes: GIB });
        insta::assert_snapshot!(
            bench.refusal(&MISBEHAVING[..1000]).await,
            @"is not a valid component: failed to parse WebAssembly module: unexpected end-of-file (at offset 0xb)"
        );
        insta::assert_snapshot!(
            bench.refusal(&costly::nested(10_000)).await,
            @"is not a valid component: components in one another, more than 100 deep"
        );
    }

    #[tokio::test]
    async fn and_not_kept_when_it_is_of_no_world() {
        let bench = Bench::start(LONG, GIB);
        assert!(matches!(bench.refused(&costly::empty()).await, Refused::UnknownWorld { .. }));
    }
}

mod a_compiler_that {
    use super::*;

    #[tokio::test]
    async fn crashes_is_named_by_its_signal_and_its_last_words() {
        let bench = Bench::scripted("cat > /dev/null; echo 'assertion failed: x' >&2; kill -ABRT $$");
        insta::assert_snapshot!(
            bench.refusal(MISBEHAVING).await,
            @"crashes the compiler (signal: 6 (SIGABRT)); standard error ends: assertion failed: x; build it with other settings"
        );
    }

    #[tokio::test]
    async fn fails_and_says_much_is_cited_by_the_end_of_it() {
        let bench =
            Bench::scripted("head -c 1000000 /dev/zero | tr '\\0' x >&2; echo ' the end' >&2; exit 3");
        let refused = bench.refused(MISBEHAVING).await;
        let Refused::CompilerCrashed { ending, stderr } = &refused else { panic!("{refused}") };
        assert_eq!(ending, "exit status: 3");
        assert!(stderr.len() <= 4096 && stderr.ends_with("xxx the end\n"), "{stderr}");
    }

    #[tokio::test]
    async fn runs_out_of_memory_is_told_from_one_that_crashes() {
        let bench = Bench::scripted("echo 'memory allocation of 4096 bytes failed' >&2; kill -ABRT $$");
        let limit_bytes = GIB;
        assert_eq!(bench.refused(MISBEHAVING).await, Refused::CompileMemory { limit_bytes });
    }

    #[tokio::test]
    async fn uses_up_its_processor_time_is_too_slow() {
        let bench = Bench::scripted("kill -XCPU $$");
        assert_eq!(bench.refused(MISBEHAVING).await, Refused::CompileTime { limit_seconds: LONG });
    }

    #[tokio::test]
    async fn gives_nothing_has_failed() {
        insta::assert_snapshot!(
            Bench::scripted("exit 0").refusal(MISBEHAVING).await,
            @"could not be compiled: what the compiler gave is no code of this host: failed to parse precompiled artifact as an ELF: Invalid ELF header size or alignment; mend this host, then try again"
        );
    }

    #[tokio::test]
    async fn gives_what_is_no_code_has_failed() {
        let bench = Bench::scripted("cat > /dev/null; echo nonsense");
        insta::assert_snapshot!(
            bench.refusal(MISBEHAVING).await,
            @"could not be compiled: what the compiler gave is no code of this host: failed to parse precompiled artifact as an ELF: Invalid ELF header size or alignment; mend this host, then try again"
        );
    }

    #[tokio::test]
    async fn gives_code_for_another_engine_has_failed() {
        let folder = tempfile::tempdir().unwrap();
        let code = folder.path().join("code");
        fs::write(&code, wasmtime::Engine::default().precompile_component(&costly::empty()).unwrap())
            .unwrap();
        let bench = Bench::scripted(&format!("cat > /dev/null; cat '{}'", code.display()));
        insta::assert_snapshot!(
            bench.refusal(MISBEHAVING).await,
            @"could not be compiled: what the compiler gave is no code of this host: Module was compiled without fuel support but it is enabled for the host; mend this host, then try again"
        );
    }

    #[tokio::test]
    async fn gives_without_end_is_stopped() {
        let bench = Bench::scripted("exec yes");
        insta::assert_snapshot!(
            bench.refusal(&costly::empty()).await,
            @"compiles to more than 16777280 bytes of machine code, which is too much for its size; build it optimised"
        );
    }

    #[tokio::test]
    async fn takes_nothing_and_waits_is_stopped() {
        let limits = CompileLimits { seconds: 1, memory_bytes: GIB };
        let bench = Bench::with(|_| script("exec sleep 600"), limits);
        assert_eq!(bench.refused(MISBEHAVING).await, Refused::CompileTime { limit_seconds: 1 });
    }

    #[tokio::test]
    async fn is_not_there_is_the_hosts_fault() {
        let bench = Bench::with(|_| absent(), CompileLimits { seconds: LONG, memory_bytes: GIB });
        insta::assert_snapshot!(
            bench.refusal(MISBEHAVING).await,
            @"could not be compiled: compiler: `/absent/compiler` does not start: No such file or directory (os error 2); mend this host, then try again"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_one_component_compiles_others_are_loaded_and_called() {
    let bench = Arc::new(Bench::start(LONG, 4 * GIB));
    bench.load(MISBEHAVING).await.unwrap();
    let slow = Arc::clone(&bench);
    let compiling = tokio::spawn(async move { slow.load(&costly::slow()).await.err() });
    let compiler = eventually("the slow one to compile", async || bench.compilers().pop()).await;

    let plugin = bench.load(MISBEHAVING).await.unwrap();
    for _ in 0..100 {
        let described = bench.host.describe(&plugin, nothing_granted()).await;
        assert_eq!(described.result.unwrap().name, "misbehaving");
    }
    assert_eq!(bench.compilers(), [compiler]);
    assert!(!compiling.is_finished());

    kill(compiler);
    insta::assert_snapshot!(
        compiling.await.unwrap().expect("a refusal"),
        @"crashes the compiler (signal: 9 (SIGKILL)); build it with other settings"
    );
    assert_eq!(bench.compilers(), Vec::<u32>::new());
}

#[tokio::test]
async fn those_who_wait_for_the_compiler_get_their_turn_after_one_that_is_too_slow() {
    let bench = Bench::start(1, 4 * GIB);
    let (slow, large, empty) = (costly::slow(), costly::large(), costly::empty());
    let (first, second, third) = tokio::join!(bench.load(&slow), bench.load(&large), bench.load(&empty));
    assert_eq!(first.err(), Some(Refused::CompileTime { limit_seconds: 1 }));
    assert_eq!(second.err(), Some(Refused::CompileTime { limit_seconds: 1 }));
    assert_eq!(third.err(), Some(Refused::UnknownWorld { exports: Vec::new() }));
    bench.assert_nothing_left();
}

#[tokio::test]
async fn what_a_caller_began_is_compiled_although_he_goes_away() {
    let bench = Bench::start(LONG, 4 * GIB);
    let begun = tokio::time::timeout(std::time::Duration::ZERO, bench.load(MISBEHAVING_FILTER)).await;
    assert!(begun.is_err());
    let directory = bench.folder.path().join("compiled");
    eventually("the compiled plugin", async || compiled(&directory).pop()).await;
}

#[tokio::test]
async fn a_compiler_has_given_up_what_it_does_not_need() {
    let bench = Arc::new(Bench::start(LONG, 4 * GIB));
    let slow = Arc::clone(&bench);
    let compiling = tokio::spawn(async move { slow.load(&costly::slow()).await.err() });
    let compiler = eventually("the slow one to compile", async || bench.compilers().pop()).await;
    let read = |file: &str| fs::read_to_string(format!("/proc/{compiler}/{file}")).unwrap();
    let limits = eventually("its limits", async || {
        let limits = read("limits");
        limits.lines().any(|line| line.starts_with("Max open files            3 ")).then_some(limits)
    })
    .await;
    let limit = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).expect("a limit");
        line.split_whitespace().take(2).map(|word| word.parse().unwrap()).collect::<Vec<u64>>()
    };
    assert_eq!(limit("Max data size"), [4 * GIB; 2]);
    assert_eq!(limit("Max core file size"), [0; 2]);
    assert_eq!(limit("Max file size"), [0; 2]);
    assert_eq!(limit("Max open files"), [3; 2]);
    assert!(limit("Max cpu time")[0] >= LONG);
    assert!(read("status").contains("NoNewPrivs:\t1"));
    assert_eq!(read("oom_score_adj").trim(), "1000");
    assert!(read("environ").trim_end_matches('\0').starts_with("RAYON_NUM_THREADS="), "and nothing else");
    assert_eq!(read("environ").matches('=').count(), 1);
    assert_eq!(fs::read_link(format!("/proc/{compiler}/cwd")).unwrap(), Path::new("/"));
    // The name, which may hold anything, ends with the last parenthesis; the 17th field after it is the nice value.
    let stat = read("stat");
    assert_eq!(stat.rsplit(')').next().unwrap().split_whitespace().nth(16), Some("19"));

    kill(compiler);
    assert!(matches!(compiling.await.unwrap(), Some(Refused::CompilerCrashed { .. })));
}

/// A host whose compiler is a process, and that begins with nothing compiled.
async fn host(seconds: u64) -> TestHost {
    TestHost::start_with(|configuration| {
        fs::remove_file(configuration.data_directory.join("compiled")).unwrap();
        configuration.sandbox.compile_seconds = seconds;
        configuration.sandbox.compiler =
            Compiler::Process { program: PROGRAM.into(), arguments: vec!["compile-component".into()] };
    })
    .await
}

#[tokio::test]
async fn a_host_is_none_the_worse_for_a_component_that_it_refused() {
    let test = host(LONG).await;
    test.misbehaving_target("t", json!([])).await;
    let directory = test.host.configuration.data_directory.join("compiled");
    let before = compiled(&directory);
    let offered = [costly::invalid(), costly::nested(200), costly::empty()];
    for component in offered {
        let error = test.host.catalog.install("offered.wasm", component).await.unwrap_err().to_string();
        assert!(error.starts_with("plugin `offered.wasm` "), "{error}");
    }
    assert_eq!(compiled(&directory), before);
    assert_eq!(test.host.catalog.list().await.unwrap().len(), 1);
    let invocations = test.put(person_key("anna"), person("anna")).await;
    assert!(history(&invocations[0]).is_empty());
    assert_eq!(invocations[0].target, "t");
}

#[tokio::test]
async fn a_component_that_is_too_slow_is_not_installed() {
    let test = host(1).await;
    let install =
        async || test.host.catalog.install("slow.wasm", costly::slow()).await.unwrap_err().to_string();
    let refused = install().await;
    assert_eq!(install().await, refused);
    insta::assert_snapshot!(
        refused,
        @"plugin `slow.wasm` takes longer than 1 s to compile; split its largest functions, build it optimised, or raise `sandbox.compile_seconds`"
    );
    assert!(test.host.catalog.list().await.unwrap().is_empty());
    assert!(compiled(&test.host.configuration.data_directory.join("compiled")).is_empty());
}

#[test]
fn a_host_that_is_killed_while_it_compiles_leaves_nothing_behind() {
    let program = Program::new(PROGRAM);
    let link = program.folder().join("data/compiled");
    fs::remove_file(&link).unwrap();
    program.file("slow.wasm", costly::slow());
    let mut installing = program.start(&["plugin", "install", "slow.wasm"]);
    let parent = format!("--parent={}", installing.id());
    let of_it = || processes(|arguments| arguments.contains(&parent)).pop();
    let compiler = until("the compiler", of_it);
    let limits = || fs::read_to_string(format!("/proc/{compiler}/limits")).unwrap_or_default();
    until("the compiler to begin", || limits().contains("Max open files            3 ").then_some(()));

    installing.kill();
    until("the compiler to end with its host", || of_it().is_none().then_some(()));
    assert!(compiled(&link).is_empty());
    assert_eq!(program.json(&["plugin", "list"]), json!([]));
    let left: Vec<_> = compiled(program.folder());
    let expected = ["data", "provender.toml", "slow.wasm"];
    for path in left {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(expected.contains(&name) || name.starts_with("stderr-"), "{name} was left behind");
    }
}

#[test]
fn the_compiler_compiles_for_its_parent_only_and_is_not_shown_to_people() {
    let program = Program::new(PROGRAM);
    assert!(!program.output(&["--help"]).contains("compile-component"));
    let error =
        program.error(&["compile-component", "--seconds=1", "--memory-bytes=1000000000", "--parent=1"]);
    insta::assert_snapshot!(error, @"process 1 is not the parent of this one");
}

#[tokio::test]
async fn a_plugin_compiled_by_a_process_does_what_it_does_otherwise() {
    let test = host(LONG).await;
    test.misbehaving_target(
        "t",
        json!([{"do": "finish", "outcome": "applied", "lines": 1, "characters": 2}]),
    )
    .await;
    let invocations = test.put(person_key("anna"), person("anna")).await;
    assert_eq!(history(&invocations[0]), ["xx"]);
    assert!(test.service("t", &person_key("anna")).await.is_some(), "in {CO}");
}
