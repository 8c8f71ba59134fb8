"""What each door answers with; the OpenAPI document is made from it, and the client reads by the same shapes."""

from typing import Any

from daozhang.client import bills, plates, standing, watch
from daozhang.client import causes as why
from daozhang.client import types as say

ANSWERS: dict[str, Any] = {
    "POST /v1/payments": say.Payment, "GET /v1/payments": say.PaymentPage, "POST /v1/payments/lookup": say.PaymentPage,
    "GET /v1/payments/{id}": say.Payment, "GET /v1/payments/{id}/evidence": say.EvidencePage,
    "GET /v1/payments/{id}/trace": say.Payment, "GET /v1/payments/{id}/stream": say.Payment,
    "POST /v1/payments/{id}/resolve": say.Payment, "POST /v1/payments/{id}/reverse": say.Payment,
    "POST /v1/payments/{id}/close": say.Payment, "POST /v1/payments/{id}/told": say.Payment,
    "POST /v1/payments/{id}/answer": say.Payment,
    "GET /v1/causes": why.CausePage, "GET /v1/causes/{id}": why.CauseCard,
    "POST /v1/refunds": say.Refund, "GET /v1/refunds": say.RefundPage, "GET /v1/refunds/{id}": say.Refund,
    "POST /v1/merchants": say.Merchant, "GET /v1/merchants": say.MerchantPage, "GET /v1/merchants/{id}": say.Merchant,
    "PATCH /v1/merchants/{id}": say.Merchant, "POST /v1/stores": say.Store, "GET /v1/stores": say.StorePage,
    "GET /v1/stores/{id}": say.Store, "POST /v1/tills": say.Till, "GET /v1/tills": say.TillPage, "GET /v1/tills/{id}": say.Till,
    "GET /v1/plates/{token}": plates.Plate,
    "POST /v1/plates/{token}/payments": plates.PlatePayment, "GET /v1/plates/{token}/payments/{id}": plates.PlatePayment,
    "POST /v1/keys": say.Key, "GET /v1/keys": say.KeyPage, "DELETE /v1/keys/{id}": say.Revoked,
    "POST /v1/channel_accounts": say.ChannelAccount, "GET /v1/channel_accounts": say.AccountPage,
    "GET /v1/events": say.EventPage, "GET /v1/events/stream": say.Event, "GET /v1/events/cursor": say.Cursor,
    "GET /v1/events/{id}": say.Event, "POST /v1/events/{id}/resend": say.Resent,
    "POST /v1/webhook_endpoints": say.WebhookEndpoint, "GET /v1/webhook_endpoints": say.EndpointPage,
    "GET /v1/webhook_endpoints/{id}": say.WebhookEndpoint, "PATCH /v1/webhook_endpoints/{id}": say.WebhookEndpoint,
    "DELETE /v1/webhook_endpoints/{id}": say.Deleted, "POST /v1/webhook_endpoints/{id}/rotate_secret": say.WebhookEndpoint,
    "GET /v1/webhook_endpoints/{id}/attempts": say.AttemptPage, "POST /v1/webhook_endpoints/{id}/replay": say.Queued,
    "POST /v1/webhook_endpoints/{id}/test": say.Pinged,
    "GET /v1/request_log": say.RequestPage, "GET /v1/balances": say.Balances, "GET /v1/alarms": say.AlarmPage,
    "GET /v1/bills": bills.Bill, "GET /v1/codes": say.CodePage, "GET /v1/version": say.Version, "GET /v1/status": say.Status,
    "POST /v1/sandbox/clock/advance": say.Moved,
    "POST /v1/devices": say.Device, "GET /v1/devices": say.DevicePage, "POST /v1/devices/enroll": say.DeviceCredentials,
    "GET /v1/devices/{id}": say.Device, "PATCH /v1/devices/{id}": say.Device, "DELETE /v1/devices/{id}": say.Revoked,
    "POST /v1/devices/{id}/rotate": say.DeviceCredentials, "POST /v1/devices/{id}/code": say.DeviceCode,
    "POST /v1/devices/{id}/commands": say.Command, "GET /v1/devices/{id}/commands": say.CommandPage,
    "GET /v1/devices/{id}/facts": say.FactPage, "GET /v1/device_types": say.TypePage,
    "GET /v1/speakers/{id}/announcements": say.AnnouncementPage, "GET /v1/receipts/{id}": say.Receipt,
    "GET /v1/stores/{id}/code_word": say.CodeWord,
    "POST /v1/rollouts": say.Rollout, "GET /v1/rollouts": say.RolloutPage, "GET /v1/rollouts/{id}": say.Rollout,
    "POST /v1/rollouts/{id}/pause": say.Rollout, "POST /v1/rollouts/{id}/resume": say.Rollout,
    "POST /v1/rollouts/{id}/abort": say.Rollout, "GET /v1/device_images/{sha256}": str,
    "GET /v1/incidents": watch.IncidentPage, "POST /v1/incidents": watch.Incident, "GET /v1/incidents/{id}": watch.Incident,
    "POST /v1/incidents/{id}/updates": watch.Incident, "POST /v1/incidents/{id}/publish": watch.Incident,
    "POST /v1/incidents/{id}/resolve": watch.Incident, "GET /v1/health/channels": watch.ChannelHealthList,
    "GET /v1/health/banks": watch.BankHealthList, "POST /v1/health/probes": watch.Probe, "GET /v1/maintenance": watch.MaintenancePage,
    "POST /v1/maintenance": watch.Maintenance, "DELETE /v1/maintenance/{id}": say.Deleted,
    "GET /v1/settlement_account": standing.SettlementAccount, "PUT /v1/settlement_account": standing.SettlementAccount,
    "GET /v1/tills/{id}/plate": standing.TillPlate, "PUT /v1/tills/{id}/plate": standing.TillPlate,
    "POST /v1/tills/{id}/plate/check": standing.TillPlate,
    "GET /v1/releases": standing.ReleasePage, "POST /v1/releases": standing.Release,
    "GET /v1/asyncapi.json": dict[str, Any],
    # The sandbox answers in its channels' own words.
    "POST /v1/sandbox/code": dict[str, Any], "POST /v1/sandbox/scan": dict[str, Any], "POST /v1/sandbox/faults": dict[str, Any],
    "DELETE /v1/sandbox/faults": dict[str, Any], "GET /v1/sandbox/books": dict[str, Any],
    "GET /metrics": str,
}  # fmt: skip
