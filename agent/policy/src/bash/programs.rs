//! Owns the table of programs that only read, and of git's commands that do (S2).
//! Uses the rows of `options`.
//! Never lists an option that writes, runs something, opens a connection, or follows links out of the workspace.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::options::{Operands, Row};

/// A row with nothing in it, to be filled in.
const PLAIN: Row =
    Row { names: "", short: "", valued: "", pathed: "", long: "", operands: Operands::Paths, sharp: false };
const TEXT: Row = Row { operands: Operands::Text, ..PLAIN };
const GIT: Row = Row { operands: Operands::Revisions, sharp: true, ..PLAIN };

/// Programs whose arguments are sorted by the table alone.
static PROGRAMS: &[Row] = &[
    Row {
        names: "ls dir vdir",
        short: "aAbBcCdfFgGhHiklmnNopqQrRsStuUvxXZ1",
        valued: "IwT",
        long: "all almost-all author escape ignore-backups color? colour? directory classify? full-time group-directories-first no-group human-readable si hide= hyperlink? indicator-style= inode ignore= kibibytes numeric-uid-gid literal file-type quote-name quoting-style= reverse recursive size sort= time= time-style= width= context zero help version",
        ..PLAIN
    },
    Row {
        names: "cat tac",
        short: "AbeEnstTuv",
        long: "show-all number-nonblank show-ends number squeeze-blank show-tabs show-nonprinting help version",
        ..PLAIN
    },
    Row {
        names: "head tail",
        short: "#qvzfF",
        valued: "cns",
        long: "bytes= lines= quiet silent verbose zero-terminated follow? retry sleep-interval= help version",
        ..PLAIN
    },
    Row {
        names: "grep egrep fgrep",
        short: "#EFGPiyvwxcloLqsbHhnTZUazrIu",
        valued: "emABCdD",
        pathed: "f",
        long: "extended-regexp fixed-strings basic-regexp perl-regexp regexp= file== ignore-case no-ignore-case invert-match word-regexp line-regexp count color? colour? files-without-match files-with-matches max-count= only-matching quiet silent no-messages byte-offset with-filename no-filename line-number initial-tab null after-context= before-context= context= text binary-files= include= exclude= exclude-dir= exclude-from== recursive line-buffered null-data binary help version",
        operands: Operands::PatternThenPaths,
        ..PLAIN
    },
    Row {
        names: "rg",
        short: "#FiSswxvcloqnNHIUaPhupV0",
        valued: "egtTmABCjdMr",
        pathed: "f",
        long: "fixed-strings ignore-case smart-case case-sensitive word-regexp line-regexp invert-match count count-matches files-with-matches files-without-match only-matching quiet line-number no-line-number with-filename no-filename heading no-heading multiline multiline-dotall text pcre2 hidden no-ignore no-ignore-vcs regexp= glob= iglob= type= type-not= max-count= after-context= before-context= context= max-depth= maxdepth= max-columns= max-filesize= replace= sort= sortr= color= colors= files type-list json stats trim column vimgrep null passthru encoding= file== no-messages no-config help version",
        operands: Operands::PatternThenPaths,
        sharp: true,
    },
    Row {
        names: "wc",
        short: "clmwL",
        long: "bytes chars lines words max-line-length total= help version",
        ..PLAIN
    },
    Row {
        names: "diff",
        short: "#abBcdeEiInNpqrstTuwyZ",
        valued: "CUFSWxL",
        pathed: "X",
        long: "normal brief report-identical-files context? unified? ed rcs side-by-side width= left-column suppress-common-lines show-c-function show-function-line= label= expand-tabs initial-tab tabsize= recursive no-dereference new-file unidirectional-new-file ignore-case ignore-tab-expansion ignore-trailing-space ignore-space-change ignore-all-space ignore-blank-lines ignore-matching-lines= text strip-trailing-cr exclude= exclude-from== starting-file= minimal speed-large-files color? help version",
        ..PLAIN
    },
    Row {
        names: "cmp",
        short: "bls",
        valued: "in",
        long: "print-bytes verbose silent quiet bytes= ignore-initial= help version",
        ..PLAIN
    },
    Row {
        names: "comm",
        short: "123z",
        long: "check-order nocheck-order output-delimiter= total zero-terminated help version",
        ..PLAIN
    },
    Row {
        names: "stat",
        short: "fLt",
        valued: "c",
        long: "dereference file-system format= printf= terse cached= help version",
        ..PLAIN
    },
    Row {
        names: "du",
        short: "0abcDHhklmPSsx",
        valued: "dtB",
        pathed: "X",
        long: "null all apparent-size block-size= bytes total dereference-args max-depth= human-readable inodes no-dereference separate-dirs si summarize threshold= time? time-style= exclude= exclude-from== one-file-system help version",
        ..PLAIN
    },
    Row {
        names: "cut",
        short: "nsz",
        valued: "bcdf",
        long: "bytes= characters= delimiter= fields= complement only-delimited output-delimiter= zero-terminated help version",
        ..PLAIN
    },
    Row {
        names: "nl",
        short: "p",
        valued: "bdfhilnsvw",
        long: "body-numbering= number-format= number-separator= number-width= starting-line-number= help version",
        ..PLAIN
    },
    Row { names: "rev", ..PLAIN },
    Row {
        names: "realpath readlink",
        short: "efmnqszLP",
        long: "canonicalize canonicalize-existing canonicalize-missing no-newline quiet silent zero relative-to== relative-base== no-symlinks strip help version",
        ..PLAIN
    },
    Row {
        names: "md5sum sha1sum sha256sum sha512sum b2sum cksum",
        short: "btz",
        long: "binary text tag zero help version",
        ..PLAIN
    },
    Row {
        names: "sort",
        short: "bdfghiMnRrVcCmsuz",
        valued: "ktS",
        long: "ignore-leading-blanks dictionary-order ignore-case general-numeric-sort human-numeric-sort ignore-nonprinting month-sort numeric-sort random-sort reverse sort= version-sort check? merge key= stable field-separator= unique zero-terminated parallel= buffer-size= help version",
        sharp: true,
        ..PLAIN
    },
    Row {
        names: "tr",
        short: "cCdst",
        long: "complement delete squeeze-repeats truncate-set1 help version",
        ..TEXT
    },
    Row {
        names: "seq",
        short: "w",
        valued: "fs",
        long: "equal-width format= separator= help version",
        ..TEXT
    },
    Row {
        names: "basename dirname",
        short: "az",
        valued: "s",
        long: "multiple suffix= zero help version",
        ..TEXT
    },
    Row { names: "which", short: "a", ..TEXT },
    Row { names: "type", short: "aftpP", ..TEXT },
    Row { names: "pwd", short: "LP", operands: Operands::None, ..PLAIN },
    Row { names: "uname", short: "amnoprsv", operands: Operands::None, ..PLAIN },
    Row { names: "nproc", long: "all ignore=", operands: Operands::None, ..PLAIN },
    Row { names: "sleep", ..TEXT },
    // Where the script goes on, which the reader does not depend on.
    Row { names: "exit break continue return", ..TEXT },
    Row { names: "true false :", operands: Operands::Text, ..PLAIN },
];

const LOG: &str = "oneline graph decorate? no-decorate all branches? tags? remotes? patch no-patch stat? numstat shortstat summary name-only name-status abbrev-commit no-abbrev-commit abbrev? pretty? format= date= since= after= until= before= author= committer= grep= invert-grep all-match regexp-ignore-case extended-regexp fixed-strings perl-regexp follow max-count= skip= reverse merges no-merges first-parent cherry cherry-pick left-right topo-order date-order author-date-order full-history simplify-merges ancestry-path boundary no-walk? diff-filter= find-renames? find-copies? word-diff? color? no-color no-ext-diff no-textconv raw patch-with-stat relative-date parents children unified= ignore-all-space ignore-space-change ignore-space-at-eol ignore-blank-lines minimal patience histogram cached staged merge-base exit-code quiet check full-index binary no-renames relative? no-prefix src-prefix= dst-prefix= inter-hunk-context= function-context submodule? pickaxe-regex pickaxe-all no-color-moved color-moved? cc dirstat? compact-summary no-notes left-only right-only source shortstat count help";
const LOG_SHORT: &str = "#pusabcgiEFPwzRMCDmWqtr1";

/// The commands of git that only read. Options that run a program (`--ext-diff`, `--textconv`, `-O`) or write
/// (`--output`) are not in the list.
static GIT_COMMANDS: &[Row] = &[
    Row {
        names: "status",
        short: "sbvzu",
        long: "short branch show-stash porcelain? long verbose untracked-files? ignored? ignore-submodules? column? no-column ahead-behind no-ahead-behind renames no-renames find-renames? help",
        ..GIT
    },
    Row { names: "log show diff whatchanged", short: LOG_SHORT, valued: "nGSULl", long: LOG, ..GIT },
    Row { names: "rev-list shortlog", short: "#nsecq", valued: "", long: LOG, ..GIT },
    Row { names: "diff-tree", short: "rptscmz", long: LOG, ..GIT },
    Row {
        names: "blame annotate",
        short: "bceflnpstwMC",
        valued: "L",
        long: "root show-stats porcelain line-porcelain show-name show-number show-email since= date= abbrev? color-lines color-by-age",
        ..GIT
    },
    Row {
        names: "branch",
        short: "arvq",
        long: "show-current all remotes verbose list sort= format= color? no-color column? no-column contains? no-contains? merged? no-merged? points-at=",
        operands: Operands::Text,
        ..GIT
    },
    Row {
        names: "tag",
        short: "ln",
        long: "list sort= format= column? no-column contains= no-contains= merged? no-merged? points-at=",
        ..GIT
    },
    Row { names: "remote", short: "v", long: "verbose", ..GIT },
    Row { names: "stash", short: "p", long: "patch stat name-only name-status oneline", ..GIT },
    Row { names: "reflog", short: "#n", long: "oneline date= all max-count=", ..GIT },
    Row { names: "worktree", short: "vz", long: "porcelain verbose", ..GIT },
    Row {
        names: "config",
        short: "lz",
        long: "get get-all get-regexp list name-only show-origin show-scope global local system null type= bool int default=",
        ..GIT
    },
    Row {
        names: "rev-parse",
        short: "q",
        long: "verify quiet short? abbrev-ref? symbolic symbolic-full-name show-toplevel show-prefix show-cdup git-dir absolute-git-dir git-common-dir is-inside-work-tree is-inside-git-dir is-bare-repository is-shallow-repository all branches? tags? remotes? show-superproject-working-tree sq not",
        ..GIT
    },
    Row {
        names: "ls-files",
        short: "cdmouistzkvtr",
        valued: "x",
        long: "cached deleted modified others ignored stage unmerged killed directory no-empty-directory eol exclude= exclude-standard error-unmatch full-name abbrev? deduplicate",
        ..GIT
    },
    Row {
        names: "ls-tree",
        short: "drtlz",
        long: "long name-only name-status object-only full-name full-tree abbrev? format=",
        ..GIT
    },
    Row { names: "cat-file", short: "tpse", ..GIT },
    Row { names: "merge-base", short: "a", long: "all octopus is-ancestor independent fork-point", ..GIT },
    Row {
        names: "describe",
        long: "all tags contains abbrev? candidates= exact-match long match= exclude= always first-parent dirty? broken?",
        ..GIT
    },
    Row {
        names: "for-each-ref show-ref",
        short: "sdq",
        long: "count= sort= format= points-at= merged? no-merged? contains= no-contains= heads tags verify head dereference hash? quiet ignore-case",
        ..GIT
    },
    Row { names: "name-rev", long: "tags refs= all name-only always", ..GIT },
    Row {
        names: "count-objects",
        short: "vH",
        long: "verbose human-readable",
        operands: Operands::None,
        ..GIT
    },
    Row { names: "check-ignore", short: "qvnz", long: "quiet verbose non-matching no-index", ..GIT },
    Row { names: "version", long: "build-options", operands: Operands::None, ..GIT },
    Row {
        names: "grep",
        short: "#iIwvhHEGFPnlLzcpWqaor",
        valued: "emABC",
        pathed: "f",
        long: "cached untracked ignore-case word-regexp invert-match full-name extended-regexp basic-regexp perl-regexp fixed-strings line-number column files-with-matches name-only files-without-match null only-matching count color? no-color break heading show-function context= after-context= before-context= function-context max-count= max-depth= all-match quiet and or not recurse-submodules",
        operands: Operands::PatternThenRevisions,
        sharp: true,
    },
];

/// Rows by name.
type Index = HashMap<&'static str, &'static Row>;

fn index(rows: &'static [Row]) -> Index {
    rows.iter().flat_map(|row| row.names.split(' ').map(move |name| (name, row))).collect()
}

/// The row of a program.
pub(super) fn program(name: &str) -> Option<&'static Row> {
    static INDEX: LazyLock<Index> = LazyLock::new(|| index(PROGRAMS));
    INDEX.get(name).copied()
}

/// The row of a command of git.
pub(super) fn git_command(name: &str) -> Option<&'static Row> {
    static INDEX: LazyLock<Index> = LazyLock::new(|| index(GIT_COMMANDS));
    INDEX.get(name).copied()
}

/// Words of git commands that are commands themselves: only these are known to read.
pub(super) fn second_word_reads(command: &str, second: Option<&str>) -> bool {
    match command {
        "remote" => matches!(second, None | Some("get-url")),
        "stash" => matches!(second, Some("list" | "show")),
        "reflog" => !matches!(second, Some("expire" | "delete" | "drop" | "exists" | "write")),
        "worktree" => second == Some("list"),
        _ => true,
    }
}
