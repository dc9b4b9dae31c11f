"""What each object of the API looks like before anything is known of it: ids, and fields that are null.

The fields are those of API 2026-10-28.endive. It makes shapes; it never decides what goes
into them.
"""

import secrets
import string
from typing import Any

Body = dict[str, Any]

VERSION = "2026-10-28.endive"
LETTERS = string.ascii_letters + string.digits
PREFIXES = {
    "product": "prod_",
    "price": "price_",
    "customer": "cus_",
    "coupon": "",
    "promotion_code": "promo_",
    "discount": "di_",
    "payment_method": "pm_",
    "checkout.session": "cs_test_",
    "item": "li_",
    "subscription": "sub_",
    "subscription_item": "si_",
    "invoice": "in_",
    "line_item": "il_",
    "invoiceitem": "ii_",
    "invoice_payment": "inpay_",
    "payment_intent": "pi_",
    "setup_intent": "seti_",
    "charge": "ch_",
    "refund": "re_",
    "dispute": "du_",
    "radar.early_fraud_warning": "issfr_",
    "billing_portal.session": "bps_",
    "billing_portal.configuration": "bpc_",
    "webhook_endpoint": "we_",
    "event": "evt_",
}
# Those that carry no `livemode`, and those that are never dated.
NO_MODE = frozenset({"discount", "item", "refund", "subscription_item"})
NO_DATE = frozenset({"discount", "item", "line_item"})
NULL = {
    "product": "default_price description package_dimensions shippable statement_descriptor tax_code tax_details unit_label url",
    "price": "custom_unit_amount lookup_key nickname recurring tax_behavior tiers_mode transform_quantity unit_amount unit_amount_decimal",
    "plan": "amount amount_decimal metadata meter nickname product tiers tiers_mode transform_usage trial_period_days",
    "customer": "address balance currency customer_account default_source delinquent description discount email invoice_prefix invoice_settings metadata name next_invoice_sequence phone preferred_locales shipping tax_exempt test_clock",
    "coupon": "amount_off currency duration_in_months max_redemptions metadata name percent_off redeem_by",
    "promotion_code": "customer customer_account expires_at max_redemptions metadata",
    "discount": "checkout_session customer customer_account end invoice invoice_item promotion_code subscription subscription_item",
    "payment_method": "allow_redisplay customer customer_account metadata radar_options",
    "checkout.session": "adaptive_pricing after_expiration allow_promotion_codes allowed_payment_method_types amount_subtotal amount_total billing_address_collection branding_settings cancel_url client_reference_id client_secret collected_information consent consent_collection currency currency_conversion customer customer_account customer_creation customer_details customer_email discounts excluded_payment_method_types integration_identifier invoice invoice_creation locale managed_payments metadata name_collection optional_items origin_context payment_intent payment_link payment_method_collection payment_method_configuration_details payment_method_options permissions presentment_details recovered_from redirect_on_completion return_url saved_payment_method_options setup_intent shipping_address_collection shipping_cost status submit_type subscription success_url tax_id_collection total_details ui_mode url wallet_options",
    "item": "adjustable_quantity description discounts metadata price quantity taxes",
    "subscription": "application application_fee_percent billing_cycle_anchor_config billing_thresholds cancel_at canceled_at cancellation_details customer_account days_until_due default_payment_method default_source default_tax_rates description ended_at latest_invoice managed_payments next_pending_invoice_item_invoice on_behalf_of pause_collection payment_settings pending_invoice_item_interval pending_setup_intent pending_update presentment_details schedule status_details test_clock transfer_data trial_end trial_settings trial_start",
    "subscription_item": "billed_until billing_thresholds current_trial quantity tax_rates",
    "invoice": "account_country account_name account_tax_ids amount_paid_off_stripe application auto_advance automatically_finalizes_at billing_reason custom_fields customer customer_account customer_address customer_email customer_name customer_phone customer_shipping customer_tax_exempt customer_tax_ids default_payment_method default_source description due_date effective_at ending_balance footer from_invoice hosted_invoice_url invoice_pdf last_finalization_error latest_revision metadata next_payment_attempt number on_behalf_of parent receipt_number rendering shipping_cost shipping_details statement_descriptor status status_details subtotal_excluding_tax test_clock threshold_reason total_discount_amounts total_excluding_tax total_pretax_credit_amounts total_taxes webhooks_delivered_at",
    "line_item": "description discount_amounts invoice parent pretax_credit_amounts pricing quantity quantity_decimal subscription taxes",
    "invoice_payment": "amount_paid",
    "payment_intent": "allowed_payment_method_types amount_details application application_fee_amount automatic_payment_methods canceled_at cancellation_reason client_secret customer customer_account description excluded_payment_method_types hooks last_payment_error latest_charge managed_payments next_action on_behalf_of payment_details payment_method payment_method_configuration_details payment_method_options payment_record presentment_details processing receipt_email review setup_future_usage shipping source statement_descriptor statement_descriptor_suffix transfer_data transfer_group",
    "setup_intent": "allowed_payment_method_types application attach_to_self automatic_payment_methods cancellation_reason client_secret customer customer_account description excluded_payment_method_types flow_directions last_setup_error latest_attempt managed_payments mandate metadata next_action on_behalf_of payment_method payment_method_configuration_details payment_method_options single_use_mandate",
    "charge": "application application_fee application_fee_amount balance_transaction calculated_statement_descriptor customer description failure_balance_transaction failure_code failure_message fraud_details on_behalf_of outcome payment_intent payment_method payment_method_details presentment_details radar_options receipt_email receipt_number receipt_url review shipping source source_transfer statement_descriptor statement_descriptor_suffix transfer transfer_data transfer_group",
    "refund": "balance_transaction charge customer customer_account description destination_details failure_balance_transaction failure_reason instructions_email metadata next_action payment_intent payment_method pending_reason presentment_details reason receipt_number source_transfer_reversal status transfer_reversal",
    "dispute": "intended_submission_method network_reason_code payment_intent payment_method_details",
    "radar.early_fraud_warning": "payment_intent",
    "billing_portal.session": "after_expiration customer_account flow locale on_behalf_of return_url",
    "billing_portal.configuration": "application default_return_url metadata name",
    "webhook_endpoint": "api_version application description",
    "event": "api_version request",
}
EVIDENCE = "access_activity_log appeal billing_address cancellation_policy cancellation_policy_disclosure cancellation_rebuttal customer_communication customer_email_address customer_name customer_purchase_ip customer_signature duplicate_charge_documentation duplicate_charge_explanation duplicate_charge_id product_description receipt refund_policy refund_policy_disclosure refund_refusal_explanation service_date service_documentation shipping_address shipping_carrier shipping_date shipping_documentation shipping_tracking_number uncategorized_file uncategorized_text"
CARD_OF_CHARGE = "amount_authorized authorization_code checks extended_authorization fingerprint incremental_authorization installments mandate moto multicapture network_token network_transaction_id overcapture regulated_status three_d_secure wallet"
CARD = "checks fingerprint generated_from networks regulated_status three_d_secure_usage wallet"


def new_id(kind: str) -> str:
    """An id nobody can guess, with Stripe's own beginning; a session's says that it is a test."""
    length = 56 if kind == "checkout.session" else 24
    return PREFIXES[kind] + "".join(secrets.choice(LETTERS) for _ in range(length))


def make(kind: str, *, created: int, **known: Any) -> Body:
    """An object of a kind, `created` in seconds; what is not known of it is null."""
    body: Body = {"id": new_id(kind) if kind in PREFIXES else "", "object": kind}
    body |= dict.fromkeys(NULL[kind].split())
    if kind not in NO_MODE:
        body["livemode"] = False
    if kind not in NO_DATE:
        body["created"] = created
    return body | known


def page(data: list[Body], url: str, *, has_more: bool = False) -> Body:
    """A list object."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def gone(kind: str, key: str) -> Body:
    """What is left of a deleted object."""
    return {"id": key, "object": kind, "deleted": True}


def nulls(names: str) -> Body:
    """A map in which all of these are null."""
    return dict.fromkeys(names.split())
