//! Clicks and postbacks, sent as browsers and networks send them.

use super::{Run, pause};
use crate::probe::root_cause;
use reqwest::{Response, StatusCode, header};
use serde_json::Value;
use std::time::Instant;
use tfx_api::postbacks::PostbackResult;

/// How many people click.
const CLICKS: usize = 20;

const BROWSER: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                       Chrome/138.0.0.0 Safari/537.36";

impl Run<'_> {
    pub(super) async fn send_clicks(&mut self) -> Result<String, String> {
        for n in 0..CLICKS {
            let response = self.click(&format!("smoke=yes&sub1=s%26{n}")).await?;
            let location = location(&response);
            let id = location
                .strip_prefix("https://offer.example/smoke?click=")
                .and_then(|rest| rest.strip_suffix(&format!("&sub=s%26{n}")))
                .and_then(|id| id.parse().ok())
                .ok_or_else(|| format!("click {n}: status {}, Location '{location}'", response.status()))?;
            self.clicks.push(id);
        }
        Ok(format!("{CLICKS} clicks, each with its own click id"))
    }

    pub(super) async fn trafficback(&self) -> Result<String, String> {
        let response = self.click("smoke=no").await?;
        let location = location(&response);
        if location.starts_with("https://offer.example/nobody") {
            return Ok(location);
        }
        Err(format!("status {}, Location '{location}'", response.status()))
    }

    pub(super) async fn postbacks(&self) -> Result<String, String> {
        let recorded = PostbackResult::Recorded;
        self.expect(&self.report_of(0, "txid=smoke-1&payout=12.5&status=sale"), StatusCode::OK, recorded)
            .await?;
        self.expect(&self.report_of(1, "txid=smoke-2&payout=2&status=lead"), StatusCode::OK, recorded)
            .await?;
        let updated = PostbackResult::Updated;
        self.expect(&self.report_of(1, "txid=smoke-2&payout=2&status=sale"), StatusCode::OK, updated).await?;
        Ok("a sale, a lead, the lead becomes a sale".to_owned())
    }

    pub(super) async fn dedupe(&self) -> Result<String, String> {
        for _ in 0..5 {
            let query = self.report_of(0, "txid=smoke-1&payout=12.5&status=sale");
            self.expect(&query, StatusCode::OK, PostbackResult::Duplicate).await?;
        }
        Ok("5 of 5 answered as duplicates".to_owned())
    }

    pub(super) async fn forgery(&self) -> Result<String, String> {
        for secret in ["", "secret=wrong-secret&"] {
            let query = format!("{secret}clickid={}&txid=forged&payout=1000", self.clicks[2]);
            let (status, _) = self.postback(&query).await?;
            if status != StatusCode::FORBIDDEN {
                return Err(format!("answered {status}, wanted 403"));
            }
        }
        Ok("403 without it and with a wrong one".to_owned())
    }

    async fn click(&self, query: &str) -> Result<Response, String> {
        let url = format!("{}/c/{}?{query}", self.target.traffic_url, self.slug("campaign"));
        self.http.get(url).header(header::USER_AGENT, BROWSER).send().await.map_err(|e| root_cause(&e))
    }

    /// Sends a postback; its status and its `result`.
    async fn postback(&self, query: &str) -> Result<(StatusCode, String), String> {
        let url = format!("{}/postback/{}?{query}", self.target.postback_url, self.slug("network"));
        let response = self.http.get(url).send().await.map_err(|e| root_cause(&e))?;
        let status = response.status();
        let body = tfx_api::http::body(response, 1 << 20).await.map_err(|e| root_cause(&e))?;
        let body: Value = serde_json::from_slice(&body.unwrap_or_default()).map_err(|e| root_cause(&e))?;
        Ok((status, body.get("result").and_then(Value::as_str).unwrap_or_default().to_owned()))
    }

    async fn expect(&self, query: &str, status: StatusCode, result: PostbackResult) -> Result<(), String> {
        let limit = Instant::now() + self.options.patience;
        loop {
            let seen = self.postback(query).await?;
            if seen == (status, result.as_str().to_owned()) {
                return Ok(());
            }
            let told = format!("answered {} '{}', wanted {status} '{}'", seen.0, seen.1, result.as_str());
            // The service may not have read the new network yet.
            if seen.0 != StatusCode::NOT_FOUND {
                return Err(told);
            }
            pause(limit, told).await?;
        }
    }

    fn report_of(&self, click: usize, rest: &str) -> String {
        format!("secret={}&clickid={}&{rest}", self.secret, self.clicks[click])
    }
}

fn location(response: &Response) -> String {
    response.headers().get(header::LOCATION).and_then(|l| l.to_str().ok()).unwrap_or_default().to_owned()
}
