//! What is wrong with an author's code: every finding with its rule, in one pass.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

use crate::manifest::ManifestText;

/// What a macro made: code, and what it found wrong.
pub(crate) struct Expansion {
    pub(crate) tokens: TokenStream,
    pub(crate) diagnostics: Diagnostics,
    /// The manifest of a service in which nothing is wrong.
    pub(crate) manifest: Option<ManifestText>,
}

impl Expansion {
    pub(crate) fn new(tokens: TokenStream, diagnostics: Diagnostics) -> Self {
        Self { tokens, diagnostics, manifest: None }
    }

    pub(crate) fn into_tokens(self) -> TokenStream {
        let mut tokens = self.tokens;
        for (_, error) in self.diagnostics.found {
            tokens.extend(error.into_compile_error());
        }
        tokens
    }
}

/// Collects findings, so that an author sees all of them at once.
#[derive(Default)]
pub(crate) struct Diagnostics {
    found: Vec<(Rule, syn::Error)>,
}

impl Diagnostics {
    /// Notes that `rule` is broken at `place`; `help` says what to write instead.
    pub(crate) fn error(
        &mut self,
        rule: Rule,
        place: impl ToTokens,
        what: impl std::fmt::Display,
        help: impl std::fmt::Display,
    ) {
        let message = format!("{what}\nhelp: {help}");
        self.found.push((rule, syn::Error::new_spanned(place, message)));
    }

    /// Notes that `rule` is broken at a place that has no tokens of its own.
    pub(crate) fn error_at(
        &mut self,
        rule: Rule,
        place: Span,
        what: impl std::fmt::Display,
        help: impl std::fmt::Display,
    ) {
        self.found.push((rule, syn::Error::new(place, format!("{what}\nhelp: {help}"))));
    }

    /// Notes that `rule` is broken where a library says so.
    pub(crate) fn foreign(&mut self, rule: Rule, error: impl Into<syn::Error>) {
        self.found.extend(error.into().into_iter().map(|error| (rule, error)));
    }

    /// How many findings there are.
    pub(crate) fn len(&self) -> usize {
        self.found.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn rules(&self) -> Vec<Rule> {
        self.found.iter().map(|(rule, _)| *rule).collect()
    }

    #[cfg(test)]
    pub(crate) fn messages(&self) -> Vec<String> {
        self.found.iter().map(|(_, error)| error.to_string()).collect()
    }
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $rule:ident = $id:literal,)+) => {
        /// A rule that tokens can decide. Each has a case in `tests/compile_fail`, named by its id.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Rule { $($(#[doc = $doc])+ $rule,)+ }

        #[cfg(test)]
        impl Rule {
            pub(crate) const ALL: &[Rule] = &[$(Rule::$rule),+];

            pub(crate) fn id(self) -> &'static str {
                match self { $(Rule::$rule => $id,)+ }
            }
        }
    };
}

rules! {
    // Where the attributes stand.
    /// `#[hecate_service]` stands on an `impl` block.
    ServiceOnImpl = "p01",
    /// The block is inherent, not a trait's.
    InherentImpl = "p02",
    /// The service's type has no parameters.
    ConcreteService = "p03",
    /// The service's type borrows nothing.
    OwnedService = "p04",
    /// The service's type has a name.
    NamedService = "p05",
    /// `#[capability]` stands inside a service block.
    CapabilityInService = "p06",
    /// An attribute called `capability` is Hecate's.
    OurCapability = "p07",
    /// A service block holds no macro calls.
    NoMacroCalls = "p08",
    /// A capability is not conditional.
    UnconditionalCapability = "p09",
    /// `#[capability]` stands on methods.
    CapabilityOnMethod = "p10",
    /// `#[capability]` stands on a method once.
    CapabilityOnce = "p11",
    /// The attribute's tokens and the block can be read at all.
    Readable = "p12",

    // Arguments of every attribute.
    /// The argument exists.
    KnownArgument = "a01",
    /// The argument is given once.
    ArgumentOnce = "a02",
    /// The argument has a value of the right kind.
    ArgumentValue = "a03",
    /// The argument stands on the right attribute.
    ArgumentLevel = "a04",
    /// The path of the runtime crate is absolute.
    AbsoluteCrate = "a05",
    /// A text is not empty.
    NonEmptyText = "a06",

    // The service.
    /// A service has a name.
    ServiceName = "s01",
    /// The name is kebab-case.
    KebabServiceName = "s02",
    /// The name fits into a socket path.
    ShortServiceName = "s03",
    /// The version is SemVer.
    SemanticVersion = "s04",
    /// The scope is lower snake.
    SnakeScope = "s05",
    /// A service says what it does.
    ServiceDescription = "s06",
    /// A doc comment is a text that the macro can read.
    LiteralDoc = "s07",
    /// A port is 1 to 65535.
    PortRange = "s08",
    /// What a service depends on is named like a service.
    DependencyName = "s09",
    /// Where a service runs, and for whom, is a lower snake word.
    PlacementWord = "s10",
    /// An image is a reference without a tag.
    ImageReference = "s11",
    /// A volume is a path that every file of a deployment reads alike.
    VolumePath = "s12",
    /// Neither volume lies in the other.
    VolumesApart = "s13",

    // What a service promised before.
    /// The lock of contracts can be read.
    ReadableLock = "l01",
    /// A capability of the lock is still there.
    LockedCapability = "l02",
    /// A capability has the kind that it had.
    LockedKind = "l03",

    // What a service uses.
    /// What is used is a type or a reference.
    UseForm = "u01",
    /// A reference is `[<org>/]<name>`.
    ReferenceForm = "u02",
    /// A reference has a version.
    UseVersion = "u03",
    /// What is used is named once.
    UsedOnce = "u04",
    /// What is used is another service.
    OtherService = "u05",

    // What a service asks of its realm.
    /// An action is a verb and what it is done to.
    ActionForm = "i01",
    /// What a service declares, its identity allows.
    NeededAction = "i02",
    /// An action or resource is listed once.
    ListedOnce = "i03",
    /// A permission lasts 1 to 365 days.
    TtlRange = "i04",
    /// A resource is a short text without blanks.
    ResourceForm = "i05",

    // Services of other programs.
    /// `remote_service!` names a type and a service.
    RemoteForm = "e01",
    /// A capability of it is a constant, a name, a version and two types.
    RemoteEntry = "e02",
    /// The constant is upper snake.
    RemoteConstant = "e03",
    /// The reply is what its handler's `Result` holds.
    RemoteReply = "e04",

    // The callbacks.
    /// `start` and `stop` are async.
    AsyncCallback = "c01",
    /// A callback takes what the contract gives it.
    CallbackParameters = "c02",
    /// A callback returns what the contract wants.
    CallbackReturn = "c03",
    /// `capabilities`, `identity_spec` and `info` are generated.
    GeneratedCallback = "c04",
    /// A callback is no capability.
    CallbackIsNoCapability = "c05",
    /// A callback is a plain function.
    PlainCallback = "c06",

    // The handlers.
    /// A handler is async.
    AsyncHandler = "h01",
    /// A handler takes `&self`.
    HandlerReceiver = "h02",
    /// A handler shares the service.
    SharedReceiver = "h03",
    /// A handler takes one request.
    OneRequest = "h04",
    /// A request is owned.
    OwnedRequest = "h05",
    /// A request has a named type.
    NamedRequest = "h06",
    /// A handler has no parameters of its own.
    ConcreteHandler = "h07",
    /// A handler is a plain function.
    PlainHandler = "h08",
    /// A handler returns a `Result`.
    HandlerResult = "h09",
    /// The call comes last, once, and borrowed.
    CallParameter = "h10",
    /// A request is an object on the wire.
    ObjectRequest = "h11",
    /// A reply is an object on the wire.
    ObjectReply = "h12",
    /// A reply is owned and has a named type.
    OwnedReply = "h13",
    /// A stream stands in place of the request, or of the reply, by itself.
    StreamPosition = "h14",
    /// The items of a stream are neither streams nor `Result`s.
    StreamItem = "h15",

    // The capabilities.
    /// A capability has a version.
    CapabilityVersion = "n01",
    /// The version is 1 to 65535.
    VersionRange = "n02",
    /// The name is dotted lower snake.
    DottedName = "n03",
    /// The name starts with the service's scope.
    NameInScope = "n04",
    /// The last part is not the runtime's.
    ReservedName = "n05",
    /// The name is at most 128 bytes long.
    ShortName = "n06",
    /// Name and version are declared once.
    UniqueCapability = "n07",
    /// Two handlers make two constants.
    UniqueConstant = "n08",
    /// A timeout is a number with a unit.
    TimeoutForm = "n09",
    /// A timeout is 1ms to 600s.
    TimeoutRange = "n10",
    /// Who may call is a known word.
    AccessWord = "n11",
    /// An issuer is the id of a node.
    IssuerNode = "n12",
    /// A capability says what it does.
    CapabilityDescription = "n13",
    /// A size is a number with a unit.
    SizeForm = "n14",
    /// A size is 1 byte to 16 MiB.
    SizeRange = "n15",
    /// A rate is a number of calls and a period.
    RateForm = "n16",
    /// A rate is 1 to 1,000,000 calls in 1s to 1h.
    RateRange = "n17",
    /// 1 to 65,536 calls run at once.
    ConcurrencyRange = "n18",
    /// All callers together may call at least as often as one.
    RateOrder = "n19",
    /// How confidential calls are is a known word.
    ConfidentialWord = "n20",

    // Refusals.
    /// Refusals are enums.
    RefusalEnum = "r01",
    /// Refusals have no parameters.
    ConcreteRefusal = "r02",
    /// A refusal's code is not the runtime's.
    OwnCode = "r03",
    /// A refusal says what it means.
    RefusalMessage = "r04",
    /// A refusal's details have names.
    NamedDetails = "r05",
    /// A transparent refusal holds one other.
    TransparentField = "r06",

    // Messages.
    /// Messages are structs or enums.
    MessageType = "m01",
    /// What `#[message]` or `#[settings]` derives is not derived again.
    DerivedOnce = "m02",
    /// A message is an object.
    MessageFields = "m03",

    // Settings.
    /// Settings are a struct with named fields.
    SettingsStruct = "g01",
    /// Settings have no parameters.
    ConcreteSettings = "g02",
}
