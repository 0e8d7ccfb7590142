"""A client that a generator makes of `docs/openapi.json` calls the running server."""

import importlib
import subprocess
import sys
import tempfile
import unittest

import server


class Client(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """Generated anew, without a warning, and imported; the server beside it."""
        folder = tempfile.TemporaryDirectory(prefix="tfx-client-")
        cls.addClassCleanup(folder.cleanup)
        done = subprocess.run(
            [sys.executable, "-m", "openapi_python_client", "generate", "--path", server.DOCUMENT, "--meta", "none",
             "--output-path", f"{folder.name}/traffoflex", "--fail-on-warning"],
            cwd=folder.name, env=server.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            raise AssertionError(done.stdout)
        sys.path[:0] = [folder.name, server.packages()]
        cls.addClassCleanup(sys.path.remove, folder.name)
        cls.one = server.Server()
        cls.addClassCleanup(cls.one.stop)
        made = importlib.import_module("traffoflex")
        cls.client = made.AuthenticatedClient(base_url=cls.one.url, token=cls.one.token, raise_on_unexpected_status=True)

    def call(self, tag, operation, *arguments, client=None, **named):
        """The status and what the client makes of the answer."""
        module = importlib.import_module(f"traffoflex.api.{tag}.{operation}")
        answer = module.sync_detailed(*arguments, client=client or self.client, **named)
        return answer.status_code.value, answer.parsed, answer.headers

    def model(self, name, values):
        models = importlib.import_module("traffoflex.models")
        return getattr(models, name).from_dict(values)

    def create(self, operation, name, values):
        status, made, headers = self.call("configuration", operation, body=self.model(name, values))
        self.assertEqual(status, 201, made)
        self.assertEqual(headers["location"].rsplit("/", 1)[1], made.id)
        return made

    def test_a_campaign_is_built_listed_changed_and_reported(self):
        network = self.create("create_network", "NewNetwork", {"name": "Ad network", "slug": "adnet"})
        self.assertTrue(network.postback_secret, "it is shown this once")
        offer = self.create("create_destination", "NewDestination", {
            "slug": "offer", "url": "https://offer.example/?c={click_id}", "network": "adnet", "payout": {"amount": "2.50"}})
        self.assertEqual((offer.network, offer.payout.currency), (network.id, "USD"))
        summer = self.create("create_campaign", "NewCampaign", {"name": "Summer"})
        self.assertEqual((summer.slug, summer.version), ("summer", 1))
        stream = self.create("create_stream", "NewStream", {
            "campaign": "summer", "slug": "main", "filters": [{"field": "os", "is": ["iOS"]}],
            "destinations": [{"destination": "offer"}], "action": {"type": "redirect", "code": 302}})
        self.assertEqual([d.destination for d in stream.destinations], [offer.id])

        for number in range(4):
            self.create("create_campaign", "NewCampaign", {"name": f"More {number}"})
        seen, cursor, pages = [], None, 0
        while cursor is not None or not pages:
            more = {"cursor": cursor} if cursor else {}
            status, page, _ = self.call("configuration", "list_campaigns", limit=2, **more)
            self.assertEqual(status, 200, page)
            seen += [campaign.slug for campaign in page.items]
            cursor, pages = page.next_ or None, pages + 1
        self.assertEqual((seen, pages), (["summer", "more-0", "more-1", "more-2", "more-3"], 3))

        patch = self.model("StreamPatch", {"weight": 30})
        status, changed, headers = self.call("configuration", "change_stream", "summer/main", body=patch, if_match='"1"')
        self.assertEqual((status, changed.weight, changed.version, headers["etag"]), (200, 30, 2, '"2"'))
        status, refused, _ = self.call("configuration", "change_stream", "summer/main", body=patch, if_match='"1"')
        self.assertEqual((status, refused.code, refused.current), (412, "version_mismatch", 2))

        asked = {"dimensions": ["campaign"], "metrics": ["clicks", "revenue"], "since": "2026-01-01T00:00:00Z"}
        status, report, _ = self.call("events", "report", body=self.model("ReportRequest", asked))
        self.assertEqual((status, report.rows, report.totals.clicks), (200, [], 0))
        self.assertEqual((report.totals.revenue.amount, report.totals.revenue.currency), ("0", "USD"))

    def test_what_is_refused_is_told(self):
        status, missing, headers = self.call("configuration", "read_campaign", "nothing")
        self.assertEqual((status, missing.code, missing.status), (404, "not_found", 404))
        self.assertTrue(headers["x-request-id"])
        wrong = self.model("NewCampaign", {"slug": "a b", "cost": {"per_click": "-1"}})
        status, refused, _ = self.call("configuration", "create_campaign", body=wrong)
        self.assertEqual((status, {problem.path for problem in refused.problems}), (422, {"slug", "cost.per_click"}))
        stranger = type(self.client)(base_url=self.one.url, token="tfx_nothing")
        status, unknown, _ = self.call("accounts", "whoami", client=stranger)
        self.assertEqual((status, unknown.code), (401, "unauthorized"))
        status, me, _ = self.call("accounts", "whoami")
        self.assertEqual((status, me.name, me.role), (200, "admin", "admin"))


if __name__ == "__main__":
    unittest.main()
