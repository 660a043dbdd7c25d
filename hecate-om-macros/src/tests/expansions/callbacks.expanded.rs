/// Greets people by name.
impl Greeter {
    async fn start(context: Context<Self>) -> Result<Self, StartError> {
        Ok(Self { context })
    }
    async fn stop(&self) {}
    async fn health(&self) -> Health {
        Health::Ok
    }
}
const _: () = {
    use ::om::__private as __hecate;
    const MANIFEST: &::core::primitive::str = "{\n  \"schema\": \"hecate.manifest/1\",\n  \"name\": \"hecate-greeter\",\n  \"display_name\": \"Greeter\",\n  \"version\": \"2.0.0\",\n  \"description\": \"Greets people by name.\",\n  \"service_type\": \"container_daemon\",\n  \"tenancy\": \"realm\",\n  \"runs_on\": \"infrastructure_node\",\n  \"callback_module\": \"greeter::Greeter\",\n  \"image\": \"ghcr.io/acme/hecate-greeter\",\n  \"license\": \"Apache-2.0\",\n  \"depends_on\": [\n    \"macula-station\"\n  ],\n  \"scope\": \"hello\",\n  \"capabilities\": [],\n  \"uses\": [],\n  \"identity\": {\n    \"scope\": \"hello\",\n    \"actions\": [],\n    \"resources\": [\n      \"hello/*\"\n    ],\n    \"ttl_days\": 30\n  },\n  \"ports\": {\n    \"health\": 9000\n  },\n  \"volumes\": {\n    \"secrets\": \"/etc/hecate/secrets\",\n    \"state\": \"/srv/greeter\"\n  },\n  \"min_om_version\": \"0.1.0\"\n}\n";
    #[allow(dead_code, private_interfaces, clippy::all)]
    impl Greeter {
        /// The `manifest.json` of this service, byte for byte.
        pub const MANIFEST: &'static ::core::primitive::str = MANIFEST;
        /// What this service is.
        pub fn info() -> &'static __hecate::ServiceInfo {
            &INFO
        }
        /// What this service offers.
        pub fn capabilities() -> &'static [__hecate::CapabilityInfo] {
            INFO.capabilities
        }
        /// What this service asks of its realm.
        pub fn identity_spec() -> &'static __hecate::IdentitySpec {
            &INFO.identity
        }
    }
    const _: &[::core::option::Option<&::core::primitive::str>] = &[
        ::core::option_env!("CARGO_PKG_VERSION"),
        ::core::option_env!("CARGO_PKG_DESCRIPTION"),
        ::core::option_env!("CARGO_PKG_LICENSE"),
        ::core::option_env!("CARGO_PKG_REPOSITORY"),
    ];
    static INFO: __hecate::ServiceInfo = __hecate::ServiceInfo::new(
            "hecate-greeter",
            "2.0.0",
            "Greets people by name.",
            "greeter::Greeter",
            ::core::concat!(::core::file!(), ":", ::core::line!()),
            const { &[] },
            __hecate::IdentitySpec::new("hello", &[], &["hello/*"], 30u16),
            9000u16,
            MANIFEST,
        )
        .volumes("/etc/hecate/secrets", "/srv/greeter");
    #[automatically_derived]
    #[allow(deprecated, unused_imports, unused_qualifications, clippy::all)]
    impl __hecate::Service for Greeter {
        const INFO: &'static __hecate::ServiceInfo = &INFO;
        const SERVICE_NAME: &'static ::core::primitive::str = "hecate-greeter";
        type Settings = greeter::Settings;
        fn settings_type() -> __hecate::SettingsType {
            __hecate::settings::<greeter::Settings>()
        }
        fn describe_handlers(__handlers: &mut __hecate::Handlers<Self>)
        where
            for<'a> Self: __hecate::Shared<'a>,
        {}
        fn boot(
            __context: __hecate::Context<Self>,
        ) -> __hecate::Callback<
            'static,
            ::core::result::Result<Self, __hecate::StartError>,
        >
        where
            for<'a> Self: __hecate::Shared<'a>,
        {
            __hecate::start_must_be_send(Self::start(__context))
        }
        fn shut_down(&self) -> __hecate::Callback<'_, ()>
        where
            for<'a> Self: __hecate::Shared<'a>,
        {
            __hecate::stop_must_be_send(self.stop())
        }
        fn probe(&self) -> __hecate::Callback<'_, __hecate::Health>
        where
            for<'a> Self: __hecate::Shared<'a>,
        {
            __hecate::health_must_be_send(self.health())
        }
        fn mark_as_run() {
            #[cfg_attr(
                target_vendor = "apple",
                unsafe(link_section = "__DATA,__hecate_run")
            )]
            #[cfg_attr(
                not(target_vendor = "apple"),
                unsafe(link_section = "hecate_run")
            )]
            static RUN: [::core::primitive::u8; __hecate::record_len(
                "hecate-greeter",
            )] = __hecate::record("hecate-greeter");
            __hecate::keep(&RUN);
        }
    }
    __hecate::inventory::submit! {
        __hecate::Registration(& INFO)
    }
    #[used]
    #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__hecate_om"))]
    #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = "hecate_om"))]
    static RECORD: [::core::primitive::u8; __hecate::record_len(MANIFEST)] = __hecate::record(
        MANIFEST,
    );
};
#[cfg(test)]
#[allow(unnameable_test_items)]
#[::core::prelude::v1::test]
fn hecate_greeter_keeps_its_contract() {
    ::om::__private::check_contract::<
        Greeter,
    >(::core::option_env!("CARGO_MANIFEST_DIR"));
}
