#include "conversation/shape.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "confab/error.h"
#include "conversation/words.h"

enum given { ABSENT, GIVEN, IS_NULL, ODD };

/* An object or array that is open, with what it has said so far. */
struct frame {
    bool is_object;

    /* object */
    unsigned serial;              /* counts the objects of a value from 1 */
    struct cf_key_word key;       /* of the value that comes next */
    unsigned role_rank, content_rank;
    enum given role, content, system;
    enum cf_role role_value;
    struct cf_span role_word, content_span, system_span;
    enum given pair[CF_ROLE_ASSISTANT + 1];
    struct cf_span pair_span[CF_ROLE_ASSISTANT + 1];
    enum cf_role pair_first;
    uint32_t repairs;

    /* array */
    size_t base;                  /* its pieces begin here on the stack */
    bool is_known;                /* its name says that it holds turns, or it is_bare */
    bool is_bare;                 /* it has no name: at the top level, or in such an array */
    bool is_full;                 /* over CF_TURNS_MAX */
    bool is_content;              /* the value of a content key */
    bool has_cut;                 /* a turn was left out because the text ends in it */
};

struct walk {
    struct cf_shape *shape;
    struct frame frames[CF_JSON_DEPTH_MAX];
    unsigned depth;
    unsigned serial;
    size_t cut_at;
    bool found_loose;             /* the value is itself a message */
    bool cut_loose;               /* the same, but the text ends in it */
};

void cf_shape_init(struct cf_shape *shape, size_t max_words)
{
    *shape = (struct cf_shape){ 0 };
    cf_buf_init(&shape->words, max_words);
}

void cf_shape_done(struct cf_shape *shape)
{
    cf_buf_done(&shape->words);
    free(shape->best.pieces);
    free(shape->loose.pieces);
    free(shape->value.pieces);
    free(shape->stack.pieces);
    *shape = (struct cf_shape){ 0 };
}

static void list_reserve(struct cf_list *list, size_t count)
{
    if (count <= list->cap)
        return;
    size_t cap = list->cap == 0 ? 32 : list->cap;
    while (cap < count)
        cap *= 2;
    list->pieces = cf_realloc(list->pieces, cap * sizeof *list->pieces);
    list->cap = cap;
}

static void list_push(struct cf_list *list, const struct cf_piece *piece)
{
    list_reserve(list, list->count + 1);
    list->pieces[list->count++] = *piece;
}

static struct cf_span keep_words(struct cf_shape *shape, const char *text, size_t len)
{
    struct cf_span span = { shape->words.len, len };
    cf_buf_add(&shape->words, text, len);
    cf_buf_addc(&shape->words, '\0');
    return span;
}

static struct frame *parent_of(struct walk *walk)
{
    return walk->depth >= 2 ? &walk->frames[walk->depth - 2] : NULL;
}

/* Whether a value under a key of this rank counts: the best-ranked word of a class wins, the
 * last value under the same word. */
static bool outranks(struct frame *frame, enum given given, unsigned rank, unsigned old_rank)
{
    if (given == ABSENT)
        return true;
    if (rank == old_rank)
        frame->repairs |= CF_REPAIR_DUPLICATE_KEY;
    return rank <= old_rank;
}

static void set_content(struct frame *frame, enum given given, struct cf_span span)
{
    if (!outranks(frame, frame->content, frame->key.rank, frame->content_rank))
        return;
    frame->content = given;
    frame->content_span = span;
    frame->content_rank = frame->key.rank;
}

static void set_role(struct walk *walk, struct frame *frame, const struct cf_json_token *token)
{
    if (!outranks(frame, frame->role, frame->key.rank, frame->role_rank))
        return;
    frame->role_rank = frame->key.rank;
    frame->role_word = (struct cf_span){ 0 };
    if (token->type != CF_JSON_STRING) {
        frame->role = token->type == CF_JSON_NULL ? IS_NULL : ODD;
    } else if (cf_role_parse(token->text, token->len, &frame->role_value)) {
        frame->role = GIVEN;
    } else {
        frame->role = ODD;
        frame->role_word = keep_words(walk->shape, token->text, token->len);
    }
}

static void set_scalar_content(struct walk *walk, struct frame *frame,
                               const struct cf_json_token *token)
{
    struct cf_span none = { 0 };

    switch (token->type) {
    case CF_JSON_NUMBER:
        frame->repairs |= CF_REPAIR_NUMBER_CONTENT;
        /* fall through */
    case CF_JSON_STRING:
        set_content(frame, GIVEN, keep_words(walk->shape, token->text, token->len));
        break;
    case CF_JSON_NULL: set_content(frame, IS_NULL, none); break;
    default: set_content(frame, ODD, none); break;
    }
}

static void set_pair(struct walk *walk, struct frame *frame, const struct cf_json_token *token)
{
    enum cf_role role = frame->key.role;

    if (token->type != CF_JSON_STRING)
        return;
    if (frame->pair[role] == GIVEN)
        frame->repairs |= CF_REPAIR_DUPLICATE_KEY;
    else if (frame->pair[CF_ROLE_USER] == ABSENT && frame->pair[CF_ROLE_ASSISTANT] == ABSENT)
        frame->pair_first = role;
    frame->pair[role] = GIVEN;
    frame->pair_span[role] = keep_words(walk->shape, token->text, token->len);
}

/* Adds an element to the array on top. */
static void push_piece(struct walk *walk, struct frame *array, const struct cf_piece *piece)
{
    struct cf_list *stack = &walk->shape->stack;
    if (stack->count - array->base >= CF_TURNS_MAX)
        array->is_full = true;
    else
        list_push(stack, piece);
}

static void take_scalar(struct walk *walk, const struct cf_json_token *token)
{
    if (walk->depth == 0)
        return;

    struct frame *frame = &walk->frames[walk->depth - 1];
    if (!frame->is_object) {
        push_piece(walk, frame, &(struct cf_piece){ .trouble = CF_TROUBLE_NOT_A_MESSAGE });
        return;
    }
    switch (frame->key.class) {
    case CF_KEY_ROLE: set_role(walk, frame, token); break;
    case CF_KEY_CONTENT: set_scalar_content(walk, frame, token); break;
    case CF_KEY_SPEAKER: set_pair(walk, frame, token); break;
    case CF_KEY_SYSTEM:
        if (token->type == CF_JSON_STRING) {
            frame->system = GIVEN;
            frame->system_span = keep_words(walk->shape, token->text, token->len);
        }
        break;
    default: break;
    }
}

static void enter(struct walk *walk, bool is_object)
{
    const struct frame *parent = walk->depth > 0 ? &walk->frames[walk->depth - 1] : NULL;
    struct frame *frame = &walk->frames[walk->depth++];

    memset(frame, 0, sizeof *frame);
    frame->is_object = is_object;
    if (is_object) {
        frame->serial = ++walk->serial;
    } else {
        frame->base = walk->shape->stack.count;
        frame->is_bare = parent == NULL || (!parent->is_object && parent->is_bare);
        frame->is_known = frame->is_bare || (parent->is_object ? parent->key.class == CF_KEY_LIST
                                                               : parent->is_known);
        frame->is_content = parent != NULL && parent->is_object &&
                            parent->key.class == CF_KEY_CONTENT;
    }
}

static enum cf_trouble content_trouble(enum given content)
{
    switch (content) {
    case GIVEN: return CF_TROUBLE_NONE;
    case IS_NULL: return CF_TROUBLE_CONTENT_NULL;
    case ODD: return CF_TROUBLE_CONTENT_ODD;
    default: return CF_TROUBLE_CONTENT_MISSING;
    }
}

/* What an object says as an element of a list: one turn, a pair's two, or nothing. */
static size_t object_pieces(const struct frame *frame, struct cf_piece out[2])
{
    if (frame->role != ABSENT || frame->content != ABSENT) {
        enum cf_trouble trouble = content_trouble(frame->content);
        if (frame->role == ABSENT || frame->role == IS_NULL)
            trouble = CF_TROUBLE_ROLE_MISSING;
        else if (frame->role == ODD)
            trouble = CF_TROUBLE_ROLE_UNKNOWN;
        out[0] = (struct cf_piece){ .role = frame->role_value, .has_role = frame->role != ABSENT,
                                    .trouble = trouble, .said = frame->content_span,
                                    .role_word = frame->role_word, .repairs = frame->repairs };
        return 1;
    }

    size_t count = 0;
    for (int i = 0; i < 2; i++) {
        enum cf_role role = (i == 0) == (frame->pair_first == CF_ROLE_ASSISTANT)
                                ? CF_ROLE_ASSISTANT : CF_ROLE_USER;
        if (frame->pair[role] != GIVEN)
            continue;
        out[count++] = (struct cf_piece){ .role = role, .has_role = true,
                                          .said = frame->pair_span[role],
                                          .repairs = frame->repairs | CF_REPAIR_PAIRS };
    }
    if (count == 0 && frame->system == GIVEN) {
        out[count++] = (struct cf_piece){ .role = CF_ROLE_SYSTEM, .has_role = true,
                                          .said = frame->system_span,
                                          .repairs = frame->repairs | CF_REPAIR_PAIRS };
    }
    return count;
}

/* A list found in this object gets the system text that stands beside it. */
static void add_system(struct walk *walk, const struct frame *frame)
{
    struct cf_list *list = &walk->shape->value;

    if (frame->system != GIVEN || list->owner != frame->serial || list->count == 0 ||
        list->pieces[0].role == CF_ROLE_SYSTEM)
        return;
    list_reserve(list, list->count + 1);
    memmove(list->pieces + 1, list->pieces, list->count * sizeof *list->pieces);
    list->pieces[0] = (struct cf_piece){ .role = CF_ROLE_SYSTEM, .has_role = true,
                                         .said = frame->system_span };
    list->count++;
    list->trouble_at++;
}

/* The text ends inside this turn. If it was the first, there was a list all the same. */
static void note_cut(struct walk *walk, struct frame *parent, const struct cf_piece *piece)
{
    if (!piece->has_role)
        return;
    if (parent == NULL)
        walk->cut_loose = true;
    else if (!parent->is_object)
        parent->has_cut = true;
}

static void leave_object(struct walk *walk, bool is_complete)
{
    struct frame *frame = &walk->frames[walk->depth - 1], *parent = parent_of(walk);
    struct cf_piece pieces[2];
    size_t count = object_pieces(frame, pieces);

    add_system(walk, frame);
    if (!is_complete && count == 1 && pieces[0].trouble != CF_TROUBLE_NONE) {
        note_cut(walk, parent, &pieces[0]);
        return;
    }
    if (parent == NULL) {
        if (count == 2 || (count == 1 && frame->role != ABSENT)) {
            walk->found_loose = true;
            for (size_t i = 0; i < count; i++)
                list_push(&walk->shape->stack, &pieces[i]);
        }
    } else if (!parent->is_object) {
        if (count == 0 && is_complete)
            push_piece(walk, parent, &(struct cf_piece){ .trouble = CF_TROUBLE_NOT_A_MESSAGE });
        for (size_t i = 0; i < count; i++)
            push_piece(walk, parent, &pieces[i]);
    } else if (parent->key.class == CF_KEY_CONTENT && is_complete) {
        bool is_text = frame->content == GIVEN && frame->role == ABSENT;
        set_content(parent, is_text ? GIVEN : ODD, frame->content_span);
    }
}

/* Joins the texts of content blocks; those without text (images, tool calls) say nothing. */
static void join_blocks(struct walk *walk, const struct frame *array, struct frame *parent)
{
    struct cf_shape *shape = walk->shape;
    const struct cf_list *stack = &shape->stack;
    size_t total = 0;
    bool any = false;

    for (size_t i = array->base; i < stack->count; i++) {
        bool is_text = stack->pieces[i].trouble == CF_TROUBLE_ROLE_MISSING;
        any = any || is_text;
        total += stack->pieces[i].said.len;
    }
    if (!any || array->is_full || !cf_buf_reserve(&shape->words, total + 1)) {
        set_content(parent, ODD, (struct cf_span){ 0 });
        return;
    }

    struct cf_span span = { shape->words.len, total };
    for (size_t i = array->base; i < stack->count; i++) {
        const struct cf_span *said = &stack->pieces[i].said;
        if (said->len > 0)
            cf_buf_add(&shape->words, shape->words.data + said->offset, said->len);
    }
    cf_buf_addc(&shape->words, '\0');
    set_content(parent, GIVEN, span);
}

/* Fills in grade, trouble and repairs from the pieces. */
static void judge(struct cf_list *list, bool is_known, bool is_bare, bool is_full)
{
    bool any_role = false, any_message = false;

    list->trouble = CF_TROUBLE_NONE;
    for (size_t i = 0; i < list->count; i++) {
        const struct cf_piece *piece = &list->pieces[i];
        any_role = any_role || piece->has_role;
        any_message = any_message || piece->trouble != CF_TROUBLE_NOT_A_MESSAGE;
        list->repairs |= piece->repairs;
        if (list->trouble == CF_TROUBLE_NONE && piece->trouble != CF_TROUBLE_NONE) {
            list->trouble = piece->trouble;
            list->trouble_at = i;
        }
    }
    if (is_full && list->trouble == CF_TROUBLE_NONE) {
        list->trouble = CF_TROUBLE_TOO_MANY;
        list->trouble_at = list->count;
    }

    if (list->count == 0)
        list->grade = is_known && !is_bare ? CF_GRADE_EMPTY : CF_GRADE_NONE;
    else if (!any_role && (!is_known || (is_bare && !any_message)))
        list->grade = CF_GRADE_NONE;    /* "see [1]" in prose is an array too */
    else if (list->trouble != CF_TROUBLE_NONE)
        list->grade = CF_GRADE_DAMAGED;
    else
        list->grade = is_known ? CF_GRADE_GOOD : CF_GRADE_LIKELY;
}

static void copy_list(struct cf_list *to, const struct cf_list *from)
{
    struct cf_piece *pieces = to->pieces;
    size_t cap = to->cap;

    *to = *from;
    to->pieces = pieces;
    to->cap = cap;
    list_reserve(to, from->count);
    if (from->count > 0)
        memcpy(to->pieces, from->pieces, from->count * sizeof *from->pieces);
}

/* Keeps the better of two lists, the first of equals. */
static void offer(struct cf_shape *shape, struct cf_list *to, const struct cf_list *list)
{
    if (list->grade > to->grade)
        copy_list(to, list);
    else if (list->grade == to->grade && list->grade >= CF_GRADE_LIKELY)
        shape->second = true;
}

static void leave_array(struct walk *walk, bool is_complete)
{
    struct cf_shape *shape = walk->shape;
    struct cf_list *stack = &shape->stack;
    const struct frame *array = &walk->frames[walk->depth - 1];
    struct frame *parent = parent_of(walk);
    struct cf_list view = { .pieces = stack->pieces == NULL ? NULL : stack->pieces + array->base,
                            .count = stack->count - array->base,
                            .owner = parent != NULL && parent->is_object ? parent->serial : 0 };

    judge(&view, array->is_known, array->is_bare, array->is_full);
    if (view.count == 0 && array->has_cut)
        view.grade = CF_GRADE_EMPTY;
    if (view.grade != CF_GRADE_NONE)
        offer(shape, &shape->value, &view);
    else if (array->is_content && is_complete)
        join_blocks(walk, array, parent);
    stack->count = array->base;
    if (parent != NULL && !parent->is_object && is_complete)
        push_piece(walk, parent, &(struct cf_piece){ .trouble = CF_TROUBLE_NOT_A_MESSAGE });
}

static void take_token(struct walk *walk, const struct cf_json_token *token)
{
    switch (token->type) {
    case CF_JSON_KEY:
        walk->frames[walk->depth - 1].key = cf_key_lookup(token->text, token->len);
        break;
    case CF_JSON_OBJECT:
    case CF_JSON_ARRAY:
        enter(walk, token->type == CF_JSON_OBJECT);
        break;
    case CF_JSON_OBJECT_END:
        leave_object(walk, token->offset < walk->cut_at);
        walk->depth--;
        break;
    case CF_JSON_ARRAY_END:
        leave_array(walk, token->offset < walk->cut_at);
        walk->depth--;
        break;
    default: take_scalar(walk, token); break;
    }
}

/* The value was read to its end: what it gave counts. */
static void accept(struct walk *walk, uint32_t repairs)
{
    struct cf_shape *shape = walk->shape;

    shape->value.repairs |= repairs;
    offer(shape, &shape->best, &shape->value);
    if (!(walk->found_loose || walk->cut_loose) || shape->value.grade >= CF_GRADE_LIKELY)
        return;
    shape->loose_values++;
    shape->loose_cut = walk->cut_loose;
    shape->loose.repairs |= repairs;
    for (size_t i = 0; i < shape->stack.count && shape->loose.count <= CF_TURNS_MAX; i++)
        list_push(&shape->loose, &shape->stack.pieces[i]);
}

bool cf_shape_read(struct cf_shape *shape, const char *text, size_t len, size_t cut_at,
                   uint32_t repairs, size_t *out_used, bool *out_found)
{
    struct walk walk;
    struct cf_json_repairs changes = { 0 };
    struct cf_json_token token;
    size_t words_len = shape->words.len;
    bool second = shape->second;
    int got;

    walk.shape = shape;
    walk.depth = 0;
    walk.serial = 0;
    walk.cut_at = cut_at;
    walk.found_loose = walk.cut_loose = false;
    shape->stack.count = 0;
    shape->value.count = 0;
    shape->value.grade = CF_GRADE_NONE;
    shape->value.repairs = 0;

    struct cf_json_reader *reader = cf_json_open(text, len, &changes);
    do {
        got = cf_json_next(reader, &token, NULL);
        if (got > 0)
            take_token(&walk, &token);
    } while (got > 0 && walk.depth > 0);
    *out_used = cf_json_offset(reader);
    cf_json_free(reader);

    if (got < 0 || !cf_buf_ok(&shape->words)) {
        shape->words.len = words_len;
        shape->words.failed = false;
        shape->second = second;
        *out_found = false;
        return false;
    }
    if (changes.nul_dropped > 0)
        repairs |= CF_REPAIR_NUL_DROPPED;
    if (changes.surrogates_replaced > 0)
        repairs |= CF_REPAIR_SURROGATE;
    accept(&walk, repairs);
    *out_found = shape->value.grade != CF_GRADE_NONE || walk.found_loose || walk.cut_loose;
    if (!*out_found)
        shape->words.len = words_len;
    return true;
}

void cf_shape_finish(struct cf_shape *shape)
{
    struct cf_list *loose = &shape->loose;

    if (shape->loose_values > 1)
        loose->repairs |= CF_REPAIR_MESSAGE_LINES;
    judge(loose, false, false, loose->count > CF_TURNS_MAX);
    if (loose->count == 0 && shape->loose_cut)
        loose->grade = CF_GRADE_EMPTY;
    if (loose->grade > shape->best.grade)
        copy_list(&shape->best, loose);
}

bool cf_shape_complain(const struct cf_shape *shape, const struct cf_list *list,
                       struct cf_error *err)
{
    size_t turn = list->trouble_at + 1;

    switch (list->trouble) {
    case CF_TROUBLE_ROLE_MISSING:
        return cf_fail(err, CF_ERR_VALIDATION, "turn %zu: no role", turn);
    case CF_TROUBLE_ROLE_UNKNOWN: {
        const struct cf_span *word = &list->pieces[list->trouble_at].role_word;
        if (word->len == 0)
            return cf_fail(err, CF_ERR_VALIDATION, "turn %zu: the role is no text", turn);
        const char *text = shape->words.data + word->offset;
        size_t shown = cf_utf8_valid_prefix(text, word->len < 40 ? word->len : 40);
        return cf_fail(err, CF_ERR_VALIDATION, "turn %zu: the role \"%.*s\" is not known", turn,
                       (int)shown, text);
    }
    case CF_TROUBLE_CONTENT_MISSING:
        return cf_fail(err, CF_ERR_VALIDATION, "turn %zu: no content", turn);
    case CF_TROUBLE_CONTENT_NULL:
        return cf_fail(err, CF_ERR_VALIDATION, "turn %zu: the content is null", turn);
    case CF_TROUBLE_CONTENT_ODD:
        return cf_fail(err, CF_ERR_VALIDATION, "turn %zu: the content is no text", turn);
    case CF_TROUBLE_TOO_MANY:
        return cf_fail(err, CF_ERR_VALIDATION, "over %d turns", CF_TURNS_MAX);
    default:
        return cf_fail(err, CF_ERR_VALIDATION, "turn %zu: no message", turn);
    }
}
