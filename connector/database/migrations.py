"""The tables, step by step. A released step is never edited; a change is a new step.

Steps are portable text: `$id` is a generated primary key, `$int` a 64-bit integer, `$blob`
bytes, `$strict` what makes SQLite check types. Each engine says what these are.
"""

from collections.abc import Mapping
from string import Template
from typing import NamedTuple


class Step(NamedTuple):
    name: str
    sql: str


def statements(sql: str, words: Mapping[str, str]) -> list[str]:
    """The statements of a step in the words of one engine."""
    found = Template(sql).substitute(words).split(";\n")
    return [statement for statement in found if statement.strip()]


M001_SUBSCRIBERS = """
CREATE TABLE subscribers (
    id $id,
    email text NOT NULL,
    email_key text NOT NULL UNIQUE,
    name text NOT NULL DEFAULT '',
    state text NOT NULL CHECK (state IN ('pending', 'active', 'unsubscribed')),
    source text NOT NULL,
    created_at $int NOT NULL,
    confirmed_at $int,
    unsubscribed_at $int,
    paused_until $int
) $strict;
CREATE INDEX subscribers_active ON subscribers (id) WHERE state = 'active';

CREATE TABLE consents (
    id $id,
    subscriber_id $int NOT NULL REFERENCES subscribers (id) ON DELETE CASCADE,
    what text NOT NULL,
    how text NOT NULL,
    page text NOT NULL DEFAULT '',
    client text NOT NULL DEFAULT '',
    at $int NOT NULL
) $strict;
CREATE INDEX consents_of ON consents (subscriber_id);

CREATE TABLE confirmations (
    id $id,
    email_key text NOT NULL,
    client text NOT NULL,
    at $int NOT NULL
) $strict;
CREATE INDEX confirmations_to ON confirmations (email_key, at);
CREATE INDEX confirmations_by ON confirmations (client, at);

CREATE TABLE erasures (
    proof text PRIMARY KEY,
    at $int NOT NULL
) $strict;

CREATE TABLE memberships (
    id $id,
    subscriber_id $int NOT NULL UNIQUE REFERENCES subscribers (id) ON DELETE CASCADE,
    tier text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('complimentary')),
    started_at $int NOT NULL,
    ends_at $int
) $strict;
"""

M002_ISSUES = """
CREATE TABLE issues (
    id $id,
    slug text NOT NULL UNIQUE,
    title text NOT NULL,
    subtitle text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    authors text NOT NULL DEFAULT '',
    tags text NOT NULL DEFAULT '',
    image text NOT NULL DEFAULT '',
    image_alt text NOT NULL DEFAULT '',
    canonical text NOT NULL DEFAULT '',
    words $int NOT NULL,
    source text NOT NULL,
    published_at $int NOT NULL,
    updated_at $int NOT NULL
) $strict;
CREATE INDEX issues_newest ON issues (published_at);

CREATE TABLE editions (
    issue_id $int NOT NULL REFERENCES issues (id) ON DELETE CASCADE,
    surface text NOT NULL CHECK (surface IN ('web', 'email', 'text', 'feed')),
    audience text NOT NULL CHECK (audience IN ('everyone', 'member')),
    body text NOT NULL,
    PRIMARY KEY (issue_id, surface, audience)
) $strict;

CREATE TABLE images (
    digest text PRIMARY KEY,
    media_type text NOT NULL,
    width $int NOT NULL,
    height $int NOT NULL,
    bytes $blob NOT NULL
) $strict;

CREATE TABLE versions (
    name text PRIMARY KEY,
    number $int NOT NULL
) $strict;
INSERT INTO versions (name, number) VALUES ('pages', 1);
"""

M003_DELIVERIES = """
CREATE TABLE mailings (
    id $id,
    kind text NOT NULL CHECK (kind IN ('issue', 'notice')),
    about text NOT NULL,
    once text UNIQUE,
    starts_at $int NOT NULL,
    expires_at $int NOT NULL,
    size $int NOT NULL DEFAULT 0,
    first_delivery $int,
    last_delivery $int,
    created_at $int NOT NULL,
    frozen_at $int,
    paused_at $int,
    why text NOT NULL DEFAULT '',
    cancelled_at $int,
    finished_at $int
) $strict;
CREATE INDEX mailings_unfrozen ON mailings (starts_at) WHERE frozen_at IS NULL;
CREATE INDEX mailings_of_issues ON mailings (id) WHERE kind = 'issue';

CREATE TABLE letters (
    id $id,
    mailing_id $int NOT NULL REFERENCES mailings (id) ON DELETE CASCADE,
    audience text NOT NULL,
    subject text NOT NULL,
    sender text NOT NULL,
    sender_name text NOT NULL,
    reply_to text NOT NULL DEFAULT '',
    text text NOT NULL,
    html text NOT NULL,
    UNIQUE (mailing_id, audience)
) $strict;

CREATE TABLE deliveries (
    id $id,
    mailing_id $int NOT NULL,
    letter_id $int NOT NULL,
    recipient $int,
    address text NOT NULL,
    address_key text NOT NULL,
    name text NOT NULL DEFAULT '',
    state text NOT NULL CHECK (
        state IN ('queued', 'sending', 'sent', 'refused', 'uncertain', 'withdrawn')),
    attempts $int NOT NULL DEFAULT 0,
    due_at $int NOT NULL,
    settled_at $int,
    reply text NOT NULL DEFAULT ''
) $strict;
CREATE INDEX deliveries_to ON deliveries (address_key);
CREATE INDEX deliveries_in_trouble ON deliveries (mailing_id, state)
    WHERE state IN ('refused', 'uncertain');

CREATE TABLE leases (
    id $id,
    mailing_id $int NOT NULL REFERENCES mailings (id) ON DELETE CASCADE,
    lane $int NOT NULL,
    first_delivery $int NOT NULL,
    last_delivery $int NOT NULL,
    due_at $int,
    held_by text NOT NULL DEFAULT '',
    held_until $int NOT NULL DEFAULT 0,
    boot text NOT NULL DEFAULT ''
) $strict;
CREATE INDEX leases_due ON leases (lane, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX leases_of ON leases (mailing_id);

CREATE TABLE suppressions (
    address_key text PRIMARY KEY,
    why text NOT NULL,
    detail text NOT NULL DEFAULT '',
    at $int NOT NULL
) $strict;

CREATE TABLE relays (
    name text PRIMARY KEY,
    failures $int NOT NULL,
    why text NOT NULL,
    failed_at $int NOT NULL,
    retry_at $int NOT NULL
) $strict;

CREATE TABLE senders (
    name text PRIMARY KEY,
    started_at $int NOT NULL,
    seen_at $int NOT NULL
) $strict;

CREATE TABLE tray (
    id $id,
    received_at $int NOT NULL,
    sender text NOT NULL,
    recipient text NOT NULL,
    recipient_key text NOT NULL,
    subject text NOT NULL,
    raw $blob NOT NULL
) $strict;
CREATE INDEX tray_to ON tray (recipient_key);
"""

M004_INBOUND = """
CREATE TABLE inbound (
    id $id,
    received_at $int NOT NULL,
    source text NOT NULL,
    digest text NOT NULL UNIQUE,
    kind text NOT NULL,
    delivery_id $int,
    address_key text NOT NULL DEFAULT '',
    status text NOT NULL DEFAULT '',
    detail text NOT NULL DEFAULT '',
    effect text NOT NULL,
    raw $blob
) $strict;
CREATE INDEX inbound_of ON inbound (delivery_id) WHERE delivery_id IS NOT NULL;
CREATE INDEX inbound_about ON inbound (address_key) WHERE address_key <> '';
CREATE INDEX inbound_kept ON inbound (id) WHERE raw IS NOT NULL;

CREATE TABLE soft_bounces (
    address_key text PRIMARY KEY,
    score $int NOT NULL,
    scored_on $int NOT NULL
) $strict;
"""

M005_DECISIONS = """
CREATE TABLE decisions (
    id $id,
    mailing_id $int NOT NULL REFERENCES mailings (id) ON DELETE CASCADE,
    delivery_id $int NOT NULL,
    what text NOT NULL CHECK (what IN ('resend', 'leave', 'sent')),
    was text NOT NULL,
    reply text NOT NULL DEFAULT '',
    at $int NOT NULL
) $strict;
CREATE INDEX decisions_about ON decisions (delivery_id);
"""

M006_PACE = """
CREATE TABLE buckets (
    name text PRIMARY KEY,
    next_at $int NOT NULL DEFAULT 0,
    learned $int NOT NULL DEFAULT 0,
    learned_at $int NOT NULL DEFAULT 0,
    taken $int NOT NULL DEFAULT 0
) $strict;
ALTER TABLE mailings ADD COLUMN spread $int NOT NULL DEFAULT 0;
ALTER TABLE leases ADD COLUMN turn_at $int NOT NULL DEFAULT 0;
"""

M007_COMPLAINTS = """
CREATE TABLE alarms (
    mailing_id $int NOT NULL REFERENCES mailings (id) ON DELETE CASCADE,
    level text NOT NULL CHECK (level IN ('high', 'too high')),
    complaints $int NOT NULL,
    at $int NOT NULL,
    PRIMARY KEY (mailing_id, level)
) $strict;
ALTER TABLE inbound ADD COLUMN seen_at $int;
"""

# SQLite builds a table in memory for every `x IN (three, or, more)` it checks, which was half
# the price of a letter's record; a chain of comparisons costs nothing.
M008_STATES = """
CREATE TABLE deliveries_anew (
    id $id,
    mailing_id $int NOT NULL,
    letter_id $int NOT NULL,
    recipient $int,
    address text NOT NULL,
    address_key text NOT NULL,
    name text NOT NULL DEFAULT '',
    state text NOT NULL CHECK (
        state = 'sent' OR state = 'sending' OR state = 'queued' OR state = 'refused'
        OR state = 'uncertain' OR state = 'withdrawn'),
    attempts $int NOT NULL DEFAULT 0,
    due_at $int NOT NULL,
    settled_at $int,
    reply text NOT NULL DEFAULT ''
) $strict;
INSERT INTO deliveries_anew
       (id, mailing_id, letter_id, recipient, address, address_key, name, state, attempts,
        due_at, settled_at, reply)
SELECT id, mailing_id, letter_id, recipient, address, address_key, name, state, attempts,
       due_at, settled_at, reply
  FROM deliveries;
DROP TABLE deliveries;
ALTER TABLE deliveries_anew RENAME TO deliveries;
CREATE INDEX deliveries_to ON deliveries (address_key);
CREATE INDEX deliveries_in_trouble ON deliveries (mailing_id, state)
    WHERE state = 'refused' OR state = 'uncertain';
"""

M009_MOVES = """
CREATE TABLE moves (
    state text PRIMARY KEY CHECK (state = 'gone' OR state = 'arriving'),
    token text NOT NULL,
    place text NOT NULL,
    at $int NOT NULL
) $strict;
"""

# What is looked for again and again, and was looked for in every row.
M010_INDEXES = """
CREATE INDEX leases_held ON leases (held_by) WHERE held_by <> '';
CREATE INDEX inbound_by_age ON inbound (received_at);
CREATE INDEX confirmations_by_age ON confirmations (at);
CREATE INDEX decisions_of ON decisions (mailing_id);
"""

# The Till: an account at Stripe that is only played. No card, key or secret is in it.
M011_TILL = """
CREATE TABLE till_objects (
    id $id,
    key text NOT NULL UNIQUE,
    kind text NOT NULL,
    owner text NOT NULL DEFAULT '',
    due_at $int,
    body text NOT NULL,
    own text NOT NULL DEFAULT '{}'
) $strict;
CREATE INDEX till_objects_of ON till_objects (kind, owner);
CREATE INDEX till_objects_due ON till_objects (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE till_events (
    id $id,
    key text NOT NULL UNIQUE,
    type text NOT NULL,
    at $int NOT NULL,
    state text NOT NULL CHECK (state = 'waiting' OR state = 'delivered' OR state = 'lost'),
    attempts $int NOT NULL DEFAULT 0,
    body text NOT NULL
) $strict;
CREATE INDEX till_events_open ON till_events (id) WHERE state <> 'delivered';

CREATE TABLE till_answers (
    key text PRIMARY KEY,
    request text NOT NULL,
    status $int NOT NULL,
    body text NOT NULL,
    at $int NOT NULL
) $strict;

CREATE TABLE till_clock (
    name text PRIMARY KEY,
    ahead $int NOT NULL DEFAULT 0,
    at_last text NOT NULL DEFAULT 'cancel'
        CHECK (at_last = 'cancel' OR at_last = 'unpaid' OR at_last = 'past_due')
) $strict;

CREATE TABLE till_faults (
    kind text PRIMARY KEY,
    times $int NOT NULL
) $strict;
"""

# What Stripe says of our subscriptions, payments, refunds and disputes; amounts in the smallest
# unit of their currency. `mode` keeps play, test and real money apart. `asked` numbers the
# question an answer belongs to, so that an older answer never covers a newer one.
M012_MONEY = """
CREATE TABLE memberships_anew (
    id $id,
    subscriber_id $int NOT NULL REFERENCES subscribers (id) ON DELETE CASCADE,
    tier text NOT NULL,
    kind text NOT NULL CHECK (kind = 'complimentary' OR kind = 'gift' OR kind = 'paid'),
    started_at $int NOT NULL,
    ends_at $int,
    UNIQUE (subscriber_id, kind)
) $strict;
INSERT INTO memberships_anew (subscriber_id, tier, kind, started_at, ends_at)
SELECT subscriber_id, tier, kind, started_at, ends_at FROM memberships ORDER BY id;
DROP TABLE memberships;
ALTER TABLE memberships_anew RENAME TO memberships;

CREATE TABLE customers (
    id text PRIMARY KEY,
    mode text NOT NULL CHECK (mode = 'till' OR mode = 'test' OR mode = 'live'),
    subscriber_id $int REFERENCES subscribers (id) ON DELETE SET NULL,
    created_at $int NOT NULL
) $strict;
CREATE UNIQUE INDEX customers_of ON customers (subscriber_id, mode)
    WHERE subscriber_id IS NOT NULL;

CREATE TABLE subscriptions (
    id text PRIMARY KEY,
    mode text NOT NULL CHECK (mode = 'till' OR mode = 'test' OR mode = 'live'),
    subscriber_id $int REFERENCES subscribers (id) ON DELETE SET NULL,
    customer_id text NOT NULL,
    tier text NOT NULL,
    status text NOT NULL,
    every text NOT NULL CHECK (every = 'month' OR every = 'year'),
    cents $int NOT NULL,
    off_cents $int NOT NULL,
    currency text NOT NULL,
    item_id text NOT NULL,
    price_id text NOT NULL,
    created_at $int NOT NULL,
    period_start $int NOT NULL,
    period_end $int NOT NULL,
    trial_end $int,
    cancel_at $int,
    cancelled_at $int,
    ended_at $int,
    paused_at $int,
    unpaid_since $int,
    why text NOT NULL,
    is_current $int NOT NULL DEFAULT 0 CHECK (is_current = 0 OR is_current = 1),
    asked $int NOT NULL
) $strict;
CREATE UNIQUE INDEX subscriptions_current ON subscriptions (subscriber_id, mode)
    WHERE is_current = 1;
CREATE INDEX subscriptions_of ON subscriptions (subscriber_id) WHERE subscriber_id IS NOT NULL;
CREATE INDEX subscriptions_by ON subscriptions (customer_id);

CREATE TABLE payments (
    id text PRIMARY KEY,
    mode text NOT NULL CHECK (mode = 'till' OR mode = 'test' OR mode = 'live'),
    kind text NOT NULL CHECK (kind = 'membership' OR kind = 'tip' OR kind = 'gift'),
    subscriber_id $int REFERENCES subscribers (id) ON DELETE SET NULL,
    customer_id text NOT NULL,
    subscription_id text NOT NULL,
    intent_id text NOT NULL,
    number text NOT NULL,
    status text NOT NULL,
    why text NOT NULL,
    cents $int NOT NULL,
    due_cents $int NOT NULL,
    tax_cents $int NOT NULL,
    currency text NOT NULL,
    created_at $int NOT NULL,
    paid_at $int,
    attempts $int NOT NULL,
    next_attempt_at $int,
    url text NOT NULL,
    asked $int NOT NULL
) $strict;
CREATE INDEX payments_of ON payments (subscriber_id) WHERE subscriber_id IS NOT NULL;
CREATE INDEX payments_for ON payments (subscription_id) WHERE subscription_id <> '';
CREATE INDEX payments_by ON payments (intent_id) WHERE intent_id <> '';

CREATE TABLE refunds (
    id text PRIMARY KEY,
    mode text NOT NULL CHECK (mode = 'till' OR mode = 'test' OR mode = 'live'),
    intent_id text NOT NULL,
    cents $int NOT NULL,
    currency text NOT NULL,
    status text NOT NULL,
    why text NOT NULL,
    created_at $int NOT NULL,
    asked $int NOT NULL
) $strict;
CREATE INDEX refunds_of ON refunds (intent_id);

CREATE TABLE disputes (
    id text PRIMARY KEY,
    mode text NOT NULL CHECK (mode = 'till' OR mode = 'test' OR mode = 'live'),
    intent_id text NOT NULL,
    cents $int NOT NULL,
    currency text NOT NULL,
    status text NOT NULL,
    why text NOT NULL,
    created_at $int NOT NULL,
    asked $int NOT NULL
) $strict;
CREATE INDEX disputes_of ON disputes (intent_id);

CREATE TABLE gifts (
    id $id,
    payment_id text NOT NULL UNIQUE,
    mode text NOT NULL CHECK (mode = 'till' OR mode = 'test' OR mode = 'live'),
    code text NOT NULL UNIQUE,
    tier text NOT NULL,
    months $int NOT NULL CHECK (months > 0),
    buyer_id $int REFERENCES subscribers (id) ON DELETE SET NULL,
    address text NOT NULL,
    send_at $int,
    created_at $int NOT NULL,
    taken_by $int REFERENCES subscribers (id) ON DELETE SET NULL,
    taken_at $int,
    ended_at $int
) $strict;

CREATE TABLE webhook_events (
    id text PRIMARY KEY,
    mode text NOT NULL CHECK (mode = 'till' OR mode = 'test' OR mode = 'live'),
    type text NOT NULL,
    received_at $int NOT NULL,
    body $blob,
    due_at $int,
    settled_at $int,
    attempts $int NOT NULL DEFAULT 0,
    why text NOT NULL DEFAULT ''
) $strict;
CREATE INDEX webhook_events_due ON webhook_events (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_events_kept ON webhook_events (settled_at) WHERE body IS NOT NULL;

CREATE TABLE foreign_subscriptions (
    id text PRIMARY KEY,
    mode text NOT NULL CHECK (mode = 'till' OR mode = 'test' OR mode = 'live'),
    customer_id text NOT NULL,
    product text NOT NULL,
    seen_at $int NOT NULL
) $strict;

CREATE TABLE notes (
    key text PRIMARY KEY,
    what text NOT NULL,
    to_whom text NOT NULL CHECK (to_whom = 'reader' OR to_whom = 'writer'),
    subscriber_id $int REFERENCES subscribers (id) ON DELETE CASCADE,
    about text NOT NULL,
    at $int NOT NULL,
    sent_at $int
) $strict;
CREATE INDEX notes_owed ON notes (at) WHERE sent_at IS NULL;

CREATE TABLE askings (
    name text PRIMARY KEY,
    number $int NOT NULL
) $strict;
"""

M013_SIGNINS = """
CREATE TABLE signins (
    id $id,
    subscriber_id $int REFERENCES subscribers (id) ON DELETE CASCADE,
    address text NOT NULL,
    client text NOT NULL,
    code text NOT NULL,
    goes_to text NOT NULL,
    at $int NOT NULL,
    guesses $int NOT NULL DEFAULT 0,
    used_at $int
) $strict;
CREATE INDEX signins_to ON signins (address, at);
CREATE INDEX signins_by ON signins (client, at);
CREATE INDEX signins_at ON signins (at);
CREATE INDEX signins_of ON signins (subscriber_id) WHERE subscriber_id IS NOT NULL;

CREATE TABLE sessions (
    id $id,
    token text NOT NULL UNIQUE,
    subscriber_id $int NOT NULL REFERENCES subscribers (id) ON DELETE CASCADE,
    begun_at $int NOT NULL,
    ends_at $int NOT NULL
) $strict;
CREATE INDEX sessions_of ON sessions (subscriber_id);
CREATE INDEX sessions_ended ON sessions (ends_at);

CREATE TABLE address_changes (
    id $id,
    subscriber_id $int NOT NULL UNIQUE REFERENCES subscribers (id) ON DELETE CASCADE,
    email text NOT NULL,
    email_key text NOT NULL,
    at $int NOT NULL,
    old_at $int,
    new_at $int
) $strict;

CREATE TABLE former_addresses (
    subscriber_id $int NOT NULL REFERENCES subscribers (id) ON DELETE CASCADE,
    email text NOT NULL,
    email_key text NOT NULL,
    until $int NOT NULL,
    PRIMARY KEY (subscriber_id, email_key)
) $strict;
CREATE INDEX former_addresses_was ON former_addresses (email_key);
"""

# What is done from time to time, by one machine among all: who holds a round and until when, and
# how the last one went. A gift goes once to whom it is for, with its giver's words.
M014_ROUNDS = """
CREATE TABLE rounds (
    name text PRIMARY KEY,
    due_at $int NOT NULL,
    holder text NOT NULL DEFAULT '',
    held_until $int NOT NULL DEFAULT 0,
    done_at $int,
    failures $int NOT NULL DEFAULT 0,
    said text NOT NULL DEFAULT ''
) $strict;

ALTER TABLE notes ADD COLUMN mailing_id $int;
CREATE INDEX notes_of ON notes (subscriber_id) WHERE subscriber_id IS NOT NULL;
CREATE INDEX memberships_ending ON memberships (ends_at) WHERE ends_at IS NOT NULL;
CREATE INDEX webhook_events_last ON webhook_events (mode, received_at);

ALTER TABLE gifts ADD COLUMN words text NOT NULL DEFAULT '';
ALTER TABLE gifts ADD COLUMN sent_at $int;
CREATE INDEX gifts_to_send ON gifts (send_at)
    WHERE sent_at IS NULL AND taken_at IS NULL AND ended_at IS NULL AND address <> '';
"""

# What is looked for again and again, or once somebody's data is erased, and was in every row.
M015_MONEY_INDEXES = """
CREATE INDEX payments_by_day ON payments (paid_at) WHERE paid_at IS NOT NULL;
CREATE INDEX refunds_by_day ON refunds (created_at);
CREATE INDEX gifts_taken ON gifts (taken_by) WHERE taken_by IS NOT NULL;
CREATE INDEX gifts_bought ON gifts (buyer_id) WHERE buyer_id IS NOT NULL;
DROP INDEX till_events_open;
CREATE INDEX till_events_waiting ON till_events (id) WHERE state = 'waiting';
CREATE INDEX till_events_by_age ON till_events (at);
CREATE INDEX till_answers_by_age ON till_answers (at);
"""

# Who bought a gift without being on the list gets its code by letter, too.
M016_GIFT_BUYERS = """
ALTER TABLE gifts ADD COLUMN buyer text NOT NULL DEFAULT '';
ALTER TABLE gifts ADD COLUMN buyer_key text NOT NULL DEFAULT '';
CREATE INDEX gifts_bought_from ON gifts (buyer_key) WHERE buyer_key <> '';
"""

# How often a client who is not signed in went to the checkout of a tip or a gift.
M017_VISITS = """
CREATE TABLE visits (
    id $id,
    client text NOT NULL,
    at $int NOT NULL
) $strict;
CREATE INDEX visits_by ON visits (client, at);
CREATE INDEX visits_at ON visits (at);
"""

STEPS = (
    Step("m001_subscribers", M001_SUBSCRIBERS),
    Step("m002_issues", M002_ISSUES),
    Step("m003_deliveries", M003_DELIVERIES),
    Step("m004_inbound", M004_INBOUND),
    Step("m005_decisions", M005_DECISIONS),
    Step("m006_pace", M006_PACE),
    Step("m007_complaints", M007_COMPLAINTS),
    Step("m008_states", M008_STATES),
    Step("m009_moves", M009_MOVES),
    Step("m010_indexes", M010_INDEXES),
    Step("m011_till", M011_TILL),
    Step("m012_money", M012_MONEY),
    Step("m013_signins", M013_SIGNINS),
    Step("m014_rounds", M014_ROUNDS),
    Step("m015_money_indexes", M015_MONEY_INDEXES),
    Step("m016_gift_buyers", M016_GIFT_BUYERS),
    Step("m017_visits", M017_VISITS),
)
