#include "simulator/dialogue.h"

#include <string.h>

#include "base/json.h"
#include "confab/rng.h"
#include "simulator/brief.h"

#define TEXT_MAX (8u << 20)    /* twice the longest reply a spec can ask for */

/* In all of these %t is the topic, %p the persona, %e the emotion, %w a long word of the prompt,
 * %n a number, %d a day, %o somebody's role. */
static const char *const openers[] = {
    "Hello, I need a hand with %t.",
    "Hi there, can you tell me more about %t?",
    "I have been thinking about %t all week, and I do not know where to start.",
    "Could we talk about %t for a moment?",
    "Since %d I have been stuck on %t, and nobody could tell me what to do.",
    "My %o said you might know something about %t.",
    "Is this the right place to ask about %t?",
    "I will come to the point: it is about %t.",
};

static const char *const feelings[] = {
    "I have to say that I feel %e about the whole thing.",
    "To be honest, this makes me feel %e.",
    "You can probably tell that I feel %e right now.",
    "My %o thinks I am too %e to decide this alone.",
    "I was not expecting to feel this %e over it.",
};

static const char *const people[] = {
    "A little about me: %p.",
    "So that you know whom you are talking to: %p.",
    "In one line, this is me: %p.",
};

static const char *const questions[] = {
    "What would you do first if you were in my place?",
    "How long does that usually take, %n days or more?",
    "Does it matter that I only noticed on %d?",
    "And what happens if the first attempt does not work?",
    "Would it help if I asked my %o about it?",
    "Can you give me an example of how that works in practice?",
    "Is there anything about %t that people usually get wrong?",
    "Do I need to prepare anything before %d?",
    "Why does %w come up in this at all?",
    "What would it cost me if I waited another %n days?",
    "Who should I talk to when that is done?",
    "Which of the %n options would you pick?",
};

static const char *const replies[] = {
    "That is a fair question, and there is a clear answer to it.",
    "Thank you for explaining it so well.",
    "I understand, and you are not the first to ask this.",
    "Let us take this one step at a time.",
    "Good, then we can rule out the most common cause.",
    "I would start with the simplest part.",
    "You are right to check before you go on.",
    "Here is how I would look at it.",
    "There are %n things worth knowing here.",
    "It is easier than it looks at first.",
};

static const char *const advice[] = {
    "Write down what you know about %t, then mark the %n points that worry you most.",
    "Most people find that %t becomes simple once the first step is done.",
    "Set aside about %n minutes on %d and go through it without hurry.",
    "If anything is unclear, ask your %o to read it with fresh eyes.",
    "When it comes to %t, a small test tells you more than a long discussion.",
    "Keep a note of every date, because somebody will ask for it later.",
    "In about %n cases out of ten the plain solution is the right one.",
    "You can change your mind until %d without losing anything.",
    "I would leave %w for later and look at the rest first.",
    "That way you will know by %d whether it worked.",
    "It is normal to feel %e at this stage, and it passes once you have a plan.",
    "Compare it with what you did last time and keep the part that went well.",
    "Nothing about this is urgent, so there is room for a second opinion.",
    "A good rule is to try it %n times before you judge it.",
    "Tell me how it went, and we will adjust the plan together.",
    "The detail that decides it is nearly always %w.",
};

static const char *const remarks[] = {
    "I tried that on %d, but it did not change anything.",
    "That makes sense to me so far.",
    "I had not thought of it like that before.",
    "My %o told me the opposite, so I was not sure.",
    "I can do that, I have about %n minutes every day.",
    "For me the hardest part is %w.",
    "It already helps to hear that others had the same question.",
    "I wrote down %n things that I want to settle about %t.",
    "I would rather do it slowly and get it right.",
    "Last time it took me %n attempts.",
};

static const char *const closings[] = {
    "You are welcome, and good luck with %t.",
    "I am glad we could clear this up, do come back on %d if anything is open.",
    "Then you have a plan now, and I am sure it will work out.",
    "Take care, and let me know how the next %n days go.",
};

static const char *const days[] = { "Monday", "Tuesday",  "Wednesday", "Thursday",
                                    "Friday", "Saturday", "Sunday" };
static const char *const others[] = { "sister", "neighbour", "colleague", "teacher", "uncle",
                                      "manager", "friend", "doctor", "landlord", "coach" };
static const char *const moods[] = { "curious", "calm", "uncertain", "hopeful", "worried" };

#define PICK(list, rng) (list)[cf_rng_next(rng) % (sizeof(list) / sizeof *(list))]

static void add_phrase(struct cf_buf *out, struct cf_sim_phrase phrase, const char *otherwise)
{
    if (phrase.at != NULL)
        cf_buf_add(out, phrase.at, phrase.len);
    else
        cf_buf_adds(out, otherwise);
}

/* A long word of the prompt, but not the emotion: that has its own place. */
static struct cf_sim_phrase some_word(const struct cf_sim_brief *brief, struct cf_rng *rng)
{
    struct cf_sim_phrase word = brief->topic;
    if (brief->salients > 0)
        word = brief->salient[cf_rng_next(rng) % brief->salients];
    if (brief->emotion.at != NULL && word.at >= brief->emotion.at
        && word.at < brief->emotion.at + brief->emotion.len)
        word = brief->topic;
    return word;
}

static void add_sentence(struct cf_buf *out, const char *pattern, const struct cf_sim_brief *brief,
                         struct cf_rng *rng)
{
    for (const char *at = pattern; *at != '\0';) {
        size_t plain = strcspn(at, "%");
        cf_buf_add(out, at, plain);
        at += plain;
        if (*at == '\0')
            break;
        switch (at[1]) {
        case 't':
            add_phrase(out, brief->topic.at != NULL ? brief->topic : some_word(brief, rng),
                       "what comes next");
            break;
        case 'p':
            add_phrase(out, brief->persona, "I am new here");
            break;
        case 'e':
            add_phrase(out, brief->emotion, PICK(moods, rng));
            break;
        case 'w':
            add_phrase(out, some_word(brief, rng), "the small print");
            break;
        case 'n':
            cf_buf_addc(out, (char)('2' + cf_rng_next(rng) % 8));
            break;
        case 'd':
            cf_buf_adds(out, PICK(days, rng));
            break;
        case 'o':
            cf_buf_adds(out, PICK(others, rng));
            break;
        }
        at += 2;
    }
}

void cf_sim_dialogue_add_sentence(struct cf_buf *out, const struct cf_sim_brief *brief,
                                  struct cf_rng *rng)
{
    add_sentence(out, PICK(advice, rng), brief, rng);
}

/* Adds sentences to a turn until it is about as long as it should be, some shorter, some longer.
 * They go round their list from a random place, so that a turn repeats none before it had all. */
static void fill(struct cf_buf *out, size_t start, size_t bytes, const char *const *list,
                 size_t count, const struct cf_sim_brief *brief, struct cf_rng *rng)
{
    size_t at = cf_rng_next(rng) % count;
    bytes = bytes * 3 / 4 + cf_rng_next(rng) % (bytes / 2 + 1);
    do {
        if (out->len > start)
            cf_buf_addc(out, ' ');
        add_sentence(out, list[at++ % count], brief, rng);
    } while (out->len - start + 35 < bytes && !out->failed);
}

static void add_user_turn(struct cf_buf *out, unsigned turn, size_t bytes,
                          const struct cf_sim_brief *brief, struct cf_rng *rng)
{
    size_t start = out->len;
    bool has_feeling = brief->emotion.at != NULL && (turn == 0 || cf_rng_next(rng) % 4 == 0);

    if (turn == 0)
        add_sentence(out, PICK(openers, rng), brief, rng);
    if (turn == 0 && brief->persona.at != NULL) {
        cf_buf_addc(out, ' ');
        add_sentence(out, PICK(people, rng), brief, rng);
    }
    if (has_feeling) {
        if (out->len > start)
            cf_buf_addc(out, ' ');
        add_sentence(out, PICK(feelings, rng), brief, rng);
    }
    fill(out, start, bytes > 50 ? bytes - 50 : bytes, remarks, sizeof remarks / sizeof *remarks,
         brief, rng);
    cf_buf_addc(out, ' ');
    add_sentence(out, PICK(questions, rng), brief, rng);
}

static void add_assistant_turn(struct cf_buf *out, bool is_last, size_t bytes,
                               const struct cf_sim_brief *brief, struct cf_rng *rng)
{
    size_t start = out->len;
    add_sentence(out, PICK(replies, rng), brief, rng);
    fill(out, start, bytes, advice, sizeof advice / sizeof *advice, brief, rng);
    if (is_last) {
        cf_buf_addc(out, ' ');
        add_sentence(out, PICK(closings, rng), brief, rng);
    }
}

void cf_sim_dialogue_init(struct cf_sim_dialogue *dialogue, const struct cf_sim_brief *brief,
                          unsigned turns, size_t turn_bytes, struct cf_rng *rng)
{
    turns += turns % 2;
    if (turns < 2)
        turns = 2;
    if (turns > CF_SIM_TURNS_MAX)
        turns = CF_SIM_TURNS_MAX;

    cf_buf_init(&dialogue->text, TEXT_MAX);
    cf_buf_reserve(&dialogue->text, turns * (turn_bytes + turn_bytes / 2));
    dialogue->turns = turns;
    for (unsigned i = 0; i < turns; i++) {
        if (i % 2 == 0)
            add_user_turn(&dialogue->text, i, turn_bytes, brief, rng);
        else
            add_assistant_turn(&dialogue->text, i + 1 == turns, turn_bytes, brief, rng);
        dialogue->end[i] = dialogue->text.len;
    }
}

void cf_sim_dialogue_done(struct cf_sim_dialogue *dialogue)
{
    cf_buf_done(&dialogue->text);
    dialogue->turns = 0;
}

const char *cf_sim_dialogue_turn(const struct cf_sim_dialogue *dialogue, unsigned turn,
                                 size_t *out_len)
{
    size_t start = turn == 0 ? 0 : dialogue->end[turn - 1];
    *out_len = dialogue->end[turn] - start;
    return dialogue->text.data + start;
}

void cf_sim_dialogue_set(struct cf_sim_dialogue *dialogue, unsigned turn, const char *text,
                         size_t len)
{
    struct cf_buf fresh;
    cf_buf_init(&fresh, TEXT_MAX);

    for (unsigned i = 0; i < dialogue->turns; i++) {
        size_t old_len;
        const char *old = cf_sim_dialogue_turn(dialogue, i, &old_len);
        cf_buf_add(&fresh, i == turn ? text : old, i == turn ? len : old_len);
        if (i > 0)               /* the old end before turn i has been read for the last time */
            dialogue->end[i - 1] = fresh.len - (i == turn ? len : old_len);
    }
    dialogue->end[dialogue->turns - 1] = fresh.len;
    cf_buf_done(&dialogue->text);
    dialogue->text = fresh;
}

void cf_sim_dialogue_add_json(const struct cf_sim_dialogue *dialogue, const char *container,
                              const char *role_key, const char *content_key, struct cf_buf *out)
{
    cf_buf_addf(out, "{\"%s\":[", container);
    for (unsigned i = 0; i < dialogue->turns; i++) {
        size_t len;
        const char *text = cf_sim_dialogue_turn(dialogue, i, &len);
        cf_buf_adds(out, i == 0 ? "{\"" : ",{\"");
        cf_buf_adds(out, role_key);
        cf_buf_adds(out, i % 2 == 0 ? "\":\"user\",\"" : "\":\"assistant\",\"");
        cf_buf_adds(out, content_key);
        cf_buf_adds(out, "\":");
        cf_json_add_string(out, text, len);
        cf_buf_addc(out, '}');
    }
    cf_buf_adds(out, "]}");
}
