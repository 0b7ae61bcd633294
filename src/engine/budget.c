#include "engine/sender_impl.h"

#include <inttypes.h>

#include <utlist.h>

#include "confab/money.h"

#define SHARED_ASK_MS \
    100 /* how often the database is asked for room that other processes may make */

/* Ends the runs of an account: what is in flight comes back, nothing more is sent. */
static void stop_account(struct cf_sender *sender, struct cf_account *account,
                         const struct cf_error *why)
{
    if (account->stop.kind != CF_OK)
        return;
    account->stop = *why;
    cf_attempt_return_waiting(sender, account);
}

static void say_spent(int64_t budget_pico, int64_t spent_pico, int64_t at_risk_pico, int64_t bound,
                      struct cf_error *err)
{
    char budget[CF_MONEY_TEXT_MAX], spent[CF_MONEY_TEXT_MAX], at_risk[CF_MONEY_TEXT_MAX],
        next[CF_MONEY_TEXT_MAX];
    cf_money_format(budget_pico, budget);
    cf_money_format(spent_pico, spent);
    cf_money_format(at_risk_pico, at_risk);
    cf_money_format(bound, next);
    cf_fail(err, CF_ERR_BUDGET,
            "the budget of %s is used up: %s spent, %s at risk, and the next call may cost "
            "up to %s",
            budget, spent, at_risk, next);
}

/* Calls wait in the account from now on. */
static void note_short(struct cf_sender *sender, struct cf_account *account)
{
    if (account->is_short)
        return;
    account->is_short = true;
    account->next_short = sender->short_accounts;
    sender->short_accounts = account;
}

/* Whether the account's calls wait until the database is asked again. */
static bool is_refused(struct cf_sender *sender, struct cf_account *account)
{
    return sender->shared_timer.slot != 0 && cf_account_shared(account) != NULL;
}

bool cf_budget_reserve(struct cf_sender *sender, struct cf_call *call)
{
    struct cf_account *whose;
    if (call->is_reserved)
        return true;
    /* Nobody overtakes: a dear call would wait for ever behind cheap ones. */
    if (call->account->waiting == NULL && !is_refused(sender, call->account) &&
        cf_account_reserve(call->account, call->bound_pico, &whose) == CF_ACCOUNT_HAS_ROOM) {
        call->is_reserved = true;
        return true;
    }
    note_short(sender, call->account);
    sender->has_settled = true; /* perhaps nothing is under way: the turn finds out */
    return false;
}

void cf_budget_release(struct cf_sender *sender, struct cf_call *call)
{
    if (!call->is_reserved)
        return;
    call->is_reserved = false;
    cf_account_release(call->account, call->bound_pico);
    sender->has_settled = true;
}

void cf_budget_lose(struct cf_sender *sender, struct cf_call *call)
{
    call->is_reserved = false;
    cf_account_lose(call->account, call->bound_pico);
    sender->has_settled = true;
}

void cf_budget_settle(struct cf_sender *sender, struct cf_call *call, const struct cf_usage *usage)
{
    call->is_reserved = false;
    sender->has_settled = true;
    if (cf_account_settle(call->account, call->bound_pico, call->cost_pico, usage))
        return;

    char cost[CF_MONEY_TEXT_MAX], bound[CF_MONEY_TEXT_MAX];
    struct cf_error why;
    cf_money_format(call->cost_pico, cost);
    cf_money_format(call->bound_pico, bound);
    cf_fail(&why, CF_ERR_BUDGET,
            "call %" PRId64 " (item %s) cost %s, more than the %s it can cost by the prices "
            "known; it is booked in full. Check the model's prices",
            call->call_id, call->item_name, cost, bound);
    stop_account(sender, call->account, &why);
}

/* Lets calls of the account go while there is room. Stops it if there is none and will be none. */
static void serve(struct cf_sender *sender, struct cf_account *account)
{
    while (account->waiting != NULL && !is_refused(sender, account)) {
        struct cf_call *call = account->waiting;
        struct cf_account *whose;
        enum cf_account_room room = cf_account_reserve(account, call->bound_pico, &whose);
        if (room == CF_ACCOUNT_MAY_HAVE)
            return;
        if (room == CF_ACCOUNT_HAS_NONE) {
            struct cf_error why;
            struct cf_account now;
            cf_account_read(whose, &now);
            say_spent(now.budget_pico, now.ledger.spent, now.ledger.at_risk, call->bound_pico,
                      &why);
            stop_account(sender, whose, &why);
            return;
        }
        cf_attempt_unpark(sender, call);
        call->is_reserved = true;
        cf_attempt_begin(sender, call);
    }
}

static void on_shared_due(void *self)
{
    struct cf_sender *sender = self;
    sender->has_settled = true;
}

/* How other processes come on is not told: the database is asked again. */
void cf_budget_refused(struct cf_sender *sender, struct cf_call *call)
{
    const struct cf_write_call_sent *sent = &call->write.sent;
    struct cf_account *shared = cf_account_shared(call->account);
    if (sent->room == CF_SCRIPT_HAS_NONE) {
        struct cf_error why;
        say_spent(sent->budget->budget_pico, sent->use.spent_pico, sent->use.at_risk_pico,
                  call->bound_pico, &why);
        stop_account(sender, shared, &why);
    }
    if (cf_attempt_is_over(sender, call)) {
        cf_attempt_give_back_unsent(sender, call);
        return;
    }
    cf_outage_not_gone(sender, call);
    cf_attempt_park(sender, call, CF_PARKED_BUDGET);
    note_short(sender, call->account);
    sender->shared_timer.on_fire = on_shared_due;
    sender->shared_timer.self = sender;
    cf_loop_set_timer(sender->loop, &sender->shared_timer,
                      cf_loop_now(sender->loop) + SHARED_ASK_MS);
}

void cf_budget_turn(struct cf_sender *sender)
{
    while (sender->has_settled && sender->short_accounts != NULL) {
        sender->has_settled = false;
        struct cf_account *account = sender->short_accounts, *next;
        sender->short_accounts = NULL;
        for (; account != NULL; account = next) {
            next = account->next_short;
            account->is_short = false;
            serve(sender, account);
            if (account->waiting != NULL)
                note_short(sender, account);
        }
    }
}
