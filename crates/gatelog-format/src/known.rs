//! The formats that gateways have when nobody has changed them.
//!
//! **Source.** Envoy 1.40 (`substitution_format_utility.cc`), Istio's default mesh configuration,
//! Higress' helm chart, Hango's documentation of its log format.

use crate::error::FormatError;
use crate::template::Template;

/// Envoy's own.
pub const ENVOY: &str = concat!(
    r#"[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" "#,
    r#"%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% "#,
    r#"%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "#,
    r#""%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%""#,
    "\n"
);

/// Istio's for `accessLogEncoding: TEXT`.
pub const ISTIO: &str = concat!(
    r#"[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" "#,
    r#"%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% "#,
    r#"%CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" "#,
    r#"%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "#,
    r#""%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "#,
    r#""%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% "#,
    r#"%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% "#,
    r#"%ROUTE_NAME%"#,
    "\n"
);

/// Istio's for `accessLogEncoding: JSON`: a JSON format.
pub const ISTIO_JSON: &str = concat!(
    r#"{"start_time":"%START_TIME%","method":"%REQ(:METHOD)%","#,
    r#""path":"%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%","protocol":"%PROTOCOL%","#,
    r#""response_code":"%RESPONSE_CODE%","response_flags":"%RESPONSE_FLAGS%","#,
    r#""response_code_details":"%RESPONSE_CODE_DETAILS%","#,
    r#""connection_termination_details":"%CONNECTION_TERMINATION_DETAILS%","#,
    r#""upstream_transport_failure_reason":"%UPSTREAM_TRANSPORT_FAILURE_REASON%","#,
    r#""bytes_received":"%BYTES_RECEIVED%","bytes_sent":"%BYTES_SENT%","duration":"%DURATION%","#,
    r#""upstream_service_time":"%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%","#,
    r#""x_forwarded_for":"%REQ(X-FORWARDED-FOR)%","user_agent":"%REQ(USER-AGENT)%","#,
    r#""request_id":"%REQ(X-REQUEST-ID)%","authority":"%REQ(:AUTHORITY)%","#,
    r#""upstream_host":"%UPSTREAM_HOST%","upstream_cluster":"%UPSTREAM_CLUSTER_RAW%","#,
    r#""upstream_local_address":"%UPSTREAM_LOCAL_ADDRESS%","#,
    r#""downstream_local_address":"%DOWNSTREAM_LOCAL_ADDRESS%","#,
    r#""downstream_remote_address":"%DOWNSTREAM_REMOTE_ADDRESS%","#,
    r#""requested_server_name":"%REQUESTED_SERVER_NAME%","route_name":"%ROUTE_NAME%"}"#
);

/// Higress': text that looks like JSON.
pub const HIGRESS: &str = concat!(
    r#"{"ai_log":"%FILTER_STATE(wasm.ai_log:PLAIN)%","#,
    r#""authority":"%REQ(X-ENVOY-ORIGINAL-HOST?:AUTHORITY)%","bytes_received":"%BYTES_RECEIVED%","#,
    r#""bytes_sent":"%BYTES_SENT%","downstream_local_address":"%DOWNSTREAM_LOCAL_ADDRESS%","#,
    r#""downstream_remote_address":"%DOWNSTREAM_REMOTE_ADDRESS%","duration":"%DURATION%","#,
    r#""istio_policy_status":"%DYNAMIC_METADATA(istio.mixer:status)%","method":"%REQ(:METHOD)%","#,
    r#""path":"%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%","protocol":"%PROTOCOL%","#,
    r#""request_id":"%REQ(X-REQUEST-ID)%","requested_server_name":"%REQUESTED_SERVER_NAME%","#,
    r#""response_code":"%RESPONSE_CODE%","response_flags":"%RESPONSE_FLAGS%","#,
    r#""route_name":"%ROUTE_NAME%","start_time":"%START_TIME%","trace_id":"%REQ(X-B3-TRACEID)%","#,
    r#""upstream_cluster":"%UPSTREAM_CLUSTER%","upstream_host":"%UPSTREAM_HOST%","#,
    r#""upstream_local_address":"%UPSTREAM_LOCAL_ADDRESS%","#,
    r#""upstream_service_time":"%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%","#,
    r#""upstream_transport_failure_reason":"%UPSTREAM_TRANSPORT_FAILURE_REASON%","#,
    r#""user_agent":"%REQ(USER-AGENT)%","x_forwarded_for":"%REQ(X-FORWARDED-FOR)%","#,
    r#""response_code_details":"%RESPONSE_CODE_DETAILS%"}"#,
    "\n"
);

/// Hango's: text that looks like JSON.
pub const HANGO: &str = concat!(
    r#"{"method":"%REQ(:METHOD)%","uri":"%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%","#,
    r#""protocol":"%PROTOCOL%","duration":"%DURATION%","respCode":"%RESPONSE_CODE%","#,
    r#""userIp":"%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%","xffIp":"%REQ(X-FORWARDED-FOR)%","#,
    r#""requestId":"%REQ(X-REQUEST-ID)%","time":"%START_TIME(%s%3f)%","#,
    r#""upstreamHost":"%UPSTREAM_HOST%","originHost":"%FILTER_STATE(x-envoy-origin-host:PLAIN)%","#,
    r#""originMethod":"%FILTER_STATE(x-envoy-origin-method:PLAIN)%","#,
    r#""originPath":"%FILTER_STATE(x-envoy-origin-path:PLAIN)%","#,
    r#""originStatus":"%FILTER_STATE(x-envoy-origin-status:PLAIN)%","#,
    r#""upstreamServiceTime":"%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%","#,
    r#""cacheStatus":"%RESP(X-Cache-Status)%","fuseStatus":"%RESP(X-Envoy-Circuitbreaking)%","#,
    r#""downgradeStatus":"%RESP(X-Downgrade-Status)%","secureStatus":"%RESP(X-Secure-Status)%","#,
    r#""userAgent":"%REQ(USER-AGENT)%","remoteUser":"%REQ(REMOTE-USER)%","#,
    r#""bodyBytesSent":"%BYTES_SENT%","httpReferer":"%REQ(HTTP-REFERER)%","#,
    r#""requestAuthority":"%REQ(:AUTHORITY)%","clusterName":"%FILTER_STATE(qz_cluster_name:PLAIN)%","#,
    r#""serviceName":"%FILTER_STATE(qz_svc_id:PLAIN)%","apiId":"%FILTER_STATE(qz_api_id:PLAIN)%","#,
    r#""apiName":"%FILTER_STATE(qz_api_name:PLAIN)%","responseFlags":"%RESPONSE_FLAGS%","#,
    r#""projectId":"%FILTER_STATE(qz_project_id:PLAIN)%"}"#,
    "\n"
);

/// A format that is known by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// [`ENVOY`]
    Envoy,
    /// [`ISTIO`]
    Istio,
    /// [`ISTIO_JSON`]
    IstioJson,
    /// [`HIGRESS`]
    Higress,
    /// [`HANGO`]
    Hango,
}

impl Known {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::Envoy,
        Self::Istio,
        Self::IstioJson,
        Self::Higress,
        Self::Hango,
    ];

    /// `envoy`, `istio`, `istio-json`, `higress`, `hango`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Envoy => "envoy",
            Self::Istio => "istio",
            Self::IstioJson => "istio-json",
            Self::Higress => "higress",
            Self::Hango => "hango",
        }
    }

    /// The format with this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// Its text.
    pub const fn format(self) -> &'static str {
        match self {
            Self::Envoy => ENVOY,
            Self::Istio => ISTIO,
            Self::IstioJson => ISTIO_JSON,
            Self::Higress => HIGRESS,
            Self::Hango => HANGO,
        }
    }

    /// Whether it is a JSON format, and not a text.
    pub const fn is_json(self) -> bool {
        matches!(self, Self::IstioJson)
    }

    /// Compiles it.
    ///
    /// # Errors
    /// None: the tests compile every one.
    pub fn template(self) -> Result<Template, FormatError> {
        if self.is_json() {
            Template::json(self.format())
        } else {
            Template::text(self.format())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_one_compiles_both_ways_and_is_found() {
        for known in Known::ALL {
            assert!(
                known.template().unwrap().reader().is_ok(),
                "{}",
                known.name()
            );
            assert_eq!(Known::find(known.name()), Some(known));
        }
        assert_eq!(Known::find("apache"), None);
    }
}
