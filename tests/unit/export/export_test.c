/* The dataset files: each format to the byte, what cannot be carried, splits, and whole files
 * only. */
#include "export/export.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "confab/money.h"

static char folder[64];
static struct cf_error err;

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/confab-export-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    char command[256];
    (void)state;
    snprintf(command, sizeof command, "chmod -R u+rwX %s; rm -rf %s", folder, folder);
    return system(command);
}

static const char *at(const char *name)
{
    static char paths[4][256];
    static int turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static char *read_all(const char *path)
{
    struct cf_buf buf = { .max = 16 << 20 };
    char chunk[4096];
    size_t len;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("%s is not there", path);
    while ((len = fread(chunk, 1, sizeof chunk, file)) > 0)
        cf_buf_add(&buf, chunk, len);
    fclose(file);
    return cf_buf_take(&buf, &(size_t){ 0 });
}

static void check_file(const char *name, const char *expected)
{
    char *text = read_all(at(name));
    assert_string_equal(text, expected);
    free(text);
}

static int count_files(void)
{
    int count = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

/* "u:Hi|a:Hello" as turns. */
static size_t turns_of(const char *talk, struct cf_export_turn out[16])
{
    size_t count = 0;
    while (*talk != '\0') {
        size_t len = strcspn(talk, "|");
        const char *role = talk[0] == 's'   ? "system"
                           : talk[0] == 'u' ? "user"
                           : talk[0] == 'a' ? "assistant"
                                            : "tool";
        out[count++] = (struct cf_export_turn){ { role, strlen(role) }, { talk + 2, len - 2 } };
        talk += len + (talk[len] == '|');
    }
    return count;
}

static struct cf_export *must_open(const char *path, enum cf_export_format format,
                                   const struct cf_export_options *options)
{
    struct cf_export *exporter;
    if (!cf_export_open(path, format, options, &exporter, &err))
        fail_msg("%s", err.message);
    return exporter;
}

static void must_add(struct cf_export *exporter, const char *id, const char *talk)
{
    struct cf_export_turn turns[16];
    struct cf_export_record record = {
        .id = id, .turns = turns, .turn_count = turns_of(talk, turns), .quality_score = NAN
    };
    if (!cf_export_add(exporter, &record, &err))
        fail_msg("%s", err.message);
}

static void must_commit(struct cf_export *exporter)
{
    if (!cf_export_commit(exporter, &err))
        fail_msg("%s", err.message);
    cf_export_free(exporter);
}

/* --- formats --- */

struct format_row {
    const char *name;
    enum cf_export_format format;
    enum cf_export_system system;
    const char *talk, *expected;     /* expected NULL: skipped */
    enum cf_export_skip skip;
    bool trimmed, folded;
};

static struct format_row format_rows[] = {
    { "messages has roles and contents only", CF_EXPORT_MESSAGES, 0, "u:Hi|a:Hello",
      "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":"
      "\"Hello\"}]}\n",
      0, 0, 0 },
    { "messages keeps a system turn", CF_EXPORT_MESSAGES, 0, "s:Be kind|u:Hi|a:Hello",
      "{\"messages\":[{\"role\":\"system\",\"content\":\"Be "
      "kind\"},{\"role\":\"user\",\"content\":\"Hi\"},"
      "{\"role\":\"assistant\",\"content\":\"Hello\"}]}\n",
      0, 0, 0 },
    { "messages ends with the assistant", CF_EXPORT_MESSAGES, 0, "u:Hi|a:Hello|u:And?",
      "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":"
      "\"Hello\"}]}\n",
      0, true, 0 },
    { "messages leaves out an empty system turn", CF_EXPORT_MESSAGES, 0, "s: |u:Hi|a:Hello",
      "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":"
      "\"Hello\"}]}\n",
      0, 0, 0 },
    { "messages escapes quotes, controls and keeps Unicode", CF_EXPORT_MESSAGES, 0,
      "u:say \"hi\"\n\t\x01|a:\xe2\x82\xac \xf0\x9f\x98\x80",
      "{\"messages\":[{\"role\":\"user\",\"content\":\"say \\\"hi\\\"\\n\\t\\u0001\"},"
      "{\"role\":\"assistant\",\"content\":\"\xe2\x82\xac \xf0\x9f\x98\x80\"}]}\n",
      0, 0, 0 },
    { "messages writes U+FFFD for bytes that are no UTF-8", CF_EXPORT_MESSAGES, 0,
      "u:a\xff"
      "b|a:c",
      "{\"messages\":[{\"role\":\"user\",\"content\":\"a\xef\xbf\xbd"
      "b\"},{\"role\":\"assistant\",\"content\":\"c\"}]}\n",
      0, 0, 0 },

    { "sharegpt has human and gpt", CF_EXPORT_SHAREGPT, 0, "u:Hi|a:Hello",
      "{\"id\":\"c1\",\"conversations\":[{\"from\":\"human\",\"value\":\"Hi\"},{\"from\":\"gpt\","
      "\"value\":\"Hello\"}]}\n",
      0, 0, 0 },
    { "sharegpt folds the system text into the first turn", CF_EXPORT_SHAREGPT,
      CF_EXPORT_SYSTEM_FOLD, "s:Be kind|u:Hi|a:Hello",
      "{\"id\":\"c1\",\"conversations\":[{\"from\":\"human\",\"value\":\"Be kind\\n\\nHi\"},"
      "{\"from\":\"gpt\",\"value\":\"Hello\"}]}\n",
      0, 0, true },
    { "sharegpt keeps the system turn when asked to", CF_EXPORT_SHAREGPT, CF_EXPORT_SYSTEM_KEEP,
      "s:Be kind|u:Hi|a:Hello",
      "{\"id\":\"c1\",\"conversations\":[{\"from\":\"system\",\"value\":\"Be kind\"},"
      "{\"from\":\"human\",\"value\":\"Hi\"},{\"from\":\"gpt\",\"value\":\"Hello\"}]}\n",
      0, 0, 0 },

    { "alpaca has the last pair, history empty", CF_EXPORT_ALPACA, 0, "u:Hi|a:Hello",
      "{\"instruction\":\"Hi\",\"input\":\"\",\"output\":\"Hello\",\"system\":\"\",\"history\":[]}"
      "\n",
      0, 0, 0 },
    { "alpaca puts earlier pairs into history, oldest first", CF_EXPORT_ALPACA, 0,
      "s:S|u:1|a:2|u:3|a:4|u:5|a:6",
      "{\"instruction\":\"5\",\"input\":\"\",\"output\":\"6\",\"system\":\"S\",\"history\":[[\"1\","
      "\"2\"],[\"3\",\"4\"]]}\n",
      0, 0, 0 },
    { "alpaca drops a last user turn", CF_EXPORT_ALPACA, 0, "u:1|a:2|u:3",
      "{\"instruction\":\"1\",\"input\":\"\",\"output\":\"2\",\"system\":\"\",\"history\":[]}\n", 0,
      true, 0 },

    { "assistant first is skipped", CF_EXPORT_ALPACA, 0, "a:Hi|u:Hello|a:So", NULL,
      CF_EXPORT_SKIP_ASSISTANT_FIRST, 0, 0 },
    { "assistant after system is skipped", CF_EXPORT_MESSAGES, 0, "s:x|a:Hi|u:Hello|a:So", NULL,
      CF_EXPORT_SKIP_ASSISTANT_FIRST, 0, 0 },
    { "two users in a row are skipped", CF_EXPORT_SHAREGPT, 0, "u:Hi|u:Hello|a:So", NULL,
      CF_EXPORT_SKIP_ORDER, 0, 0 },
    { "a system turn in the middle is skipped", CF_EXPORT_MESSAGES, 0, "u:Hi|s:x|a:So", NULL,
      CF_EXPORT_SKIP_ORDER, 0, 0 },
    { "an unknown role is skipped", CF_EXPORT_MESSAGES, 0, "u:Hi|t:x|a:So", NULL,
      CF_EXPORT_SKIP_ROLE, 0, 0 },
    { "blank content is skipped", CF_EXPORT_MESSAGES, 0, "u:Hi|a: \n", NULL, CF_EXPORT_SKIP_EMPTY,
      0, 0 },
    { "a lone user turn is skipped", CF_EXPORT_MESSAGES, 0, "u:Hi", NULL, CF_EXPORT_SKIP_NO_PAIR, 0,
      0 },
    { "a lone system turn is skipped", CF_EXPORT_MESSAGES, 0, "s:Hi", NULL, CF_EXPORT_SKIP_NO_PAIR,
      0, 0 },
    { "no turns at all are skipped", CF_EXPORT_ALPACA, 0, "", NULL, CF_EXPORT_SKIP_NO_PAIR, 0, 0 },
};

static void record_is_written_so(void **state)
{
    const struct format_row *row = *state;
    struct cf_export_options options = { .system = row->system };

    make_folder(NULL);
    struct cf_export *exporter = must_open(at("out.jsonl"), row->format, &options);
    must_add(exporter, "c1", row->talk);
    const struct cf_export_result *result = cf_export_result(exporter);
    assert_int_equal(result->written, row->expected != NULL);
    assert_int_equal(result->skipped, row->expected == NULL);
    if (row->expected == NULL)
        assert_int_equal(result->skipped_by[row->skip], 1);
    assert_int_equal(result->trimmed, row->trimmed);
    assert_int_equal(result->folded, row->folded);
    must_commit(exporter);
    check_file("out.jsonl", row->expected != NULL ? row->expected : "");
    remove_folder(NULL);
}

static void content_with_nul_is_written_without_it(void **state)
{
    (void)state;
    struct cf_export_turn turns[2] = { { { "user", 4 }, { "a\0b", 3 } },
                                       { { "assistant", 9 }, { "c", 1 } } };
    struct cf_export_record record = { .id = "x", .turns = turns, .turn_count = 2 };
    struct cf_export *exporter = must_open(at("o.jsonl"), CF_EXPORT_ALPACA, NULL);
    assert_true(cf_export_add(exporter, &record, &err));
    must_commit(exporter);
    check_file("o.jsonl", "{\"instruction\":\"ab\",\"input\":\"\",\"output\":\"c\",\"system\":\"\","
                          "\"history\":[]}\n");
}

static void jsonl_writes_every_field_with_the_same_types(void **state)
{
    (void)state;
    struct cf_export_turn turns[2] = { { { "user", 4 }, { "Hi", 2 } },
                                       { { "assistant", 9 }, { "Yo", 2 } } };
    struct cf_export_record full = {
        .id = "c1",
        .turns = turns,
        .turn_count = 2,
        .run_id = "r1",
        .run = "demo",
        .template_id = "t1",
        .template = "chat",
        .template_version = 3,
        .item = { "k", 1 },
        .ordinal = 4,
        .part = 1,
        .version = 2,
        .persona = { "Ann", 3 },
        .emotion = { "calm", 4 },
        .topic = { "bills", 5 },
        .tier = { "template", 8 },
        .parameters = { "{\"a\":1}", 7 },
        .quality_breakdown = { "{}", 2 },
        .tags = { "{\"x\":1}", 7 },
        .status = "generated",
        .quality_score = 8,
        .cost_pico = 34500000000,
        .model = "claude-x",
        .created_at = "2026-01-01T00:00:00.000Z",
        .truncated = true,
    };
    struct cf_export_record bare = { .id = "c2",
                                     .quality_score = NAN,
                                     .cost_pico = CF_COST_UNKNOWN };

    struct cf_export *exporter = must_open(at("all.jsonl"), CF_EXPORT_JSONL, NULL);
    assert_true(cf_export_add(exporter, &full, &err));
    assert_true(cf_export_add(exporter, &bare, &err));
    must_commit(exporter);
    check_file(
        "all.jsonl",
        "{\"id\":\"c1\",\"turns\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\","
        "\"content\":\"Yo\"}],"
        "\"turn_count\":2,\"status\":\"generated\",\"quality_score\":8.0,\"quality_breakdown\":\"{}"
        "\","
        "\"persona\":\"Ann\",\"emotion\":\"calm\",\"topic\":\"bills\",\"tier\":\"template\","
        "\"parameters\":\"{\\\"a\\\":1}\",\"tags\":\"{\\\"x\\\":1}\",\"document_id\":\"\",\"chunk_"
        "id\":\"\","
        "\"cost_usd\":0.0345,\"cost_known\":true,\"model\":\"claude-x\",\"truncated\":true,"
        "\"simulated\":false,"
        "\"review_note\":\"\",\"run\":\"demo\",\"run_id\":\"r1\",\"item\":\"k\",\"ordinal\":4,"
        "\"part\":1,"
        "\"version\":2,\"template\":\"chat\",\"template_id\":\"t1\",\"template_version\":3,"
        "\"created_at\":\"2026-01-01T00:00:00.000Z\"}\n"
        "{\"id\":\"c2\",\"turns\":[],\"turn_count\":0,\"status\":\"\",\"quality_score\":0.0,"
        "\"quality_breakdown\":\"\",\"persona\":\"\",\"emotion\":\"\",\"topic\":\"\",\"tier\":\"\","
        "\"parameters\":\"\",\"tags\":\"\",\"document_id\":\"\",\"chunk_id\":\"\",\"cost_usd\":0.0,"
        "\"cost_known\":false,\"model\":\"\",\"truncated\":false,\"simulated\":false,\"review_"
        "note\":\"\","
        "\"run\":\"\",\"run_id\":\"\",\"item\":\"\",\"ordinal\":0,\"part\":0,\"version\":0,"
        "\"template\":\"\","
        "\"template_id\":\"\",\"template_version\":0,\"created_at\":\"\"}\n");
}

static void a_json_name_makes_one_array(void **state)
{
    (void)state;
    struct cf_export *exporter = must_open(at("o.json"), CF_EXPORT_ALPACA, NULL);
    must_add(exporter, "1", "u:1|a:2");
    must_add(exporter, "2", "a:1");
    must_add(exporter, "3", "u:3|a:4");
    must_commit(exporter);
    char *text = read_all(at("o.json"));
    if (!cf_json_check(text, strlen(text), NULL, &err))
        fail_msg("%s", err.message);
    assert_int_equal(text[0], '[');
    assert_non_null(strstr(text, "},\n{"));
    free(text);

    must_commit(must_open(at("none.json"), CF_EXPORT_ALPACA, NULL));
    check_file("none.json", "[]\n");
    must_commit(must_open(at("none.jsonl"), CF_EXPORT_ALPACA, NULL));
    check_file("none.jsonl", "");
}

static void every_line_of_a_large_file_is_whole(void **state)
{
    (void)state;
    char *talk = malloc(40000), id[16];
    struct cf_export *exporter = must_open(at("big.jsonl"), CF_EXPORT_MESSAGES, NULL);
    for (int i = 0; i < 100; i++) {
        int n = sprintf(talk, "u:");
        memset(talk + n, 'a' + i % 26, 30000);
        strcpy(talk + n + 30000, "|a:ok");
        snprintf(id, sizeof id, "%d", i);
        must_add(exporter, id, talk);
    }
    must_commit(exporter);
    free(talk);
    char *text = read_all(at("big.jsonl"));
    int lines = 0;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++)
        assert_true(cf_json_check(line, strlen(line), NULL, NULL));
    assert_int_equal(lines, 100);
    free(text);
}

/* --- splits --- */

struct split_row {
    const char *name, *text, *words;     /* words NULL: accepted */
};

static struct split_row split_rows[] = {
    { "two shares", "train=0.9,val=0.1", NULL },
    { "three thirds", "a=0.3333,b=0.3333,c=0.3334", NULL },
    { "the whole", "train=1", NULL },
    { "shares must add up", "train=0.9,val=0.2", "add up to 1.1" },
    { "a share is a number", "train=x,val=0.1", "a share is a number" },
    { "a share is above 0", "train=1,val=0", "above 0" },
    { "a share is no trailing text", "train=0.5%,val=0.5", "a share is a number" },
    { "a share is not missing", "train=,val=1", "a share is a number" },
    { "a name is needed", "=0.9,val=0.1", "NAME=SHARE" },
    { "a name has no hyphen", "my-set=0.9,val=0.1", "letters, digits" },
    { "a name cannot leave the folder", "../x=0.9,val=0.1", "letters, digits" },
    { "a name is used once", "a=0.5,a=0.5", "named twice" },
    { "an equals sign is needed", "train", "NAME=SHARE" },
    { "nothing is no split", "", "NAME=SHARE" },
    { "nine parts are too many", "a=.1,b=.1,c=.1,d=.1,e=.1,f=.1,g=.1,h=.1,i=.2", "at most 8" },
    { "not a number is no share", "a=nan,b=1", "a share is a number" },
};

static void split_is_read_so(void **state)
{
    const struct split_row *row = *state;
    struct cf_export_splits splits = { .count = 77 };
    bool ok = cf_export_splits_parse(row->text, &splits, &err);
    assert_int_equal(ok, row->words == NULL);
    if (!ok) {
        assert_int_equal(splits.count, 77);
        assert_int_equal(err.kind, CF_ERR_CONFIG);
        if (strstr(err.message, row->words) == NULL)
            fail_msg("%s", err.message);
    }
}

static struct cf_export_options ninety_ten(void)
{
    struct cf_export_options options = { .seed = 0 };
    assert_true(cf_export_splits_parse("train=0.9,val=0.1", &options.splits, &err));
    return options;
}

static void a_split_is_stable_and_of_the_right_size(void **state)
{
    (void)state;
    struct cf_export_options options = ninety_ten();
    struct cf_export *half = must_open(at("half-{split}.jsonl"), CF_EXPORT_SHAREGPT, &options);
    char id[16];

    for (int i = 0; i < 1000; i++) {
        snprintf(id, sizeof id, "id%d", i);
        must_add(half, id, "u:1|a:2");
    }
    const struct cf_export_result *result = cf_export_result(half);
    assert_in_range(result->written_to[1], 60, 140);
    assert_int_equal(result->written_to[0] + result->written_to[1], 1000);
    assert_string_equal(cf_export_path(half, 1), at("half-val.jsonl"));
    must_commit(half);

    /* Twice as many in another order: none of the old ones moves. */
    struct cf_export *more = must_open(at("more.jsonl"), CF_EXPORT_SHAREGPT, &options);
    for (int i = 1999; i >= 0; i--) {
        snprintf(id, sizeof id, "id%d", i);
        must_add(more, id, "u:1|a:2");
    }
    must_commit(more);
    char *old = read_all(at("half-val.jsonl")), *now = read_all(at("more-val.jsonl"));
    for (char *line = strtok(old, "\n"); line != NULL; line = strtok(NULL, "\n"))
        assert_non_null(strstr(now, line));
    free(old);
    free(now);
}

static void another_seed_makes_another_split(void **state)
{
    (void)state;
    struct cf_export_options options = ninety_ten();
    char id[16], *texts[2];

    for (int seed = 0; seed < 2; seed++) {
        options.seed = (uint64_t)seed;
        struct cf_export *exporter = must_open(at("o-{split}.jsonl"), CF_EXPORT_SHAREGPT, &options);
        for (int i = 0; i < 100; i++) {
            snprintf(id, sizeof id, "id%d", i);
            must_add(exporter, id, "u:1|a:2");
        }
        must_commit(exporter);
        texts[seed] = read_all(at("o-val.jsonl"));
    }
    assert_string_not_equal(texts[0], texts[1]);
    free(texts[0]);
    free(texts[1]);
}

static void records_with_one_key_share_a_split(void **state)
{
    (void)state;
    struct cf_export_options options = ninety_ten();
    struct cf_export_turn turns[2] = { { { "user", 4 }, { "a", 1 } },
                                       { { "assistant", 9 }, { "c", 1 } } };
    char id[16];
    struct cf_export *exporter = must_open(at("o.jsonl"), CF_EXPORT_MESSAGES, &options);
    for (int i = 0; i < 100; i++) {
        snprintf(id, sizeof id, "%d", i);
        struct cf_export_record record = {
            .id = id, .split_key = { "group", 5 }, .turns = turns, .turn_count = 2
        };
        assert_true(cf_export_add(exporter, &record, &err));
    }
    const struct cf_export_result *result = cf_export_result(exporter);
    assert_true(result->written_to[0] == 100 || result->written_to[1] == 100);
    must_commit(exporter);
    assert_int_equal(count_files(), 2);    /* an empty part is an empty file */
}

/* --- files --- */

static void a_file_appears_only_when_it_is_whole(void **state)
{
    (void)state;
    FILE *file = fopen(at("o.jsonl"), "w");
    fputs("old", file);
    fclose(file);
    chmod(at("o.jsonl"), 0640);

    struct cf_export *exporter = must_open(at("o.jsonl"), CF_EXPORT_MESSAGES, NULL);
    must_add(exporter, "1", "u:1|a:2");
    check_file("o.jsonl", "old");
    cf_export_free(exporter);              /* abandoned */
    check_file("o.jsonl", "old");
    assert_int_equal(count_files(), 1);

    exporter = must_open(at("o.jsonl"), CF_EXPORT_MESSAGES, NULL);
    must_commit(exporter);
    check_file("o.jsonl", "");
    assert_int_equal(count_files(), 1);
    struct stat st;
    stat(at("o.jsonl"), &st);
    assert_int_equal(st.st_mode & 0777, 0640);
    cf_export_free(NULL);
}

static void a_link_stays_a_link(void **state)
{
    (void)state;
    struct stat st;
    fclose(fopen(at("real.jsonl"), "w"));
    assert_int_equal(symlink("real.jsonl", at("link.jsonl")), 0);
    struct cf_export *exporter = must_open(at("link.jsonl"), CF_EXPORT_ALPACA, NULL);
    must_add(exporter, "1", "u:1|a:2");
    must_commit(exporter);
    lstat(at("link.jsonl"), &st);
    assert_true(S_ISLNK(st.st_mode));
    stat(at("real.jsonl"), &st);
    assert_true(st.st_size > 0);
}

static void a_device_is_written_as_it_is(void **state)
{
    (void)state;
    struct cf_export *exporter = must_open("/dev/null", CF_EXPORT_ALPACA, NULL);
    must_add(exporter, "1", "u:1|a:2");
    must_commit(exporter);
    struct stat st;
    stat("/dev/null", &st);
    assert_true(S_ISCHR(st.st_mode));
}

static void a_minus_is_standard_output(void **state)
{
    (void)state;
    int saved = dup(STDOUT_FILENO), file = open(at("stdout"), O_WRONLY | O_CREAT, 0666);
    fflush(stdout);
    dup2(file, STDOUT_FILENO);
    struct cf_export *exporter = must_open("-", CF_EXPORT_ALPACA, NULL);
    must_add(exporter, "1", "u:1|a:2");
    bool ok = cf_export_commit(exporter, &err);
    cf_export_free(exporter);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    close(file);
    assert_true(ok);
    check_file(
        "stdout",
        "{\"instruction\":\"1\",\"input\":\"\",\"output\":\"2\",\"system\":\"\",\"history\":[]}\n");
}

struct target_row {
    const char *name, *path;
    bool split;
    enum cf_error_kind kind;
    const char *words;
};

static struct target_row target_rows[] = {
    { "a folder is refused", ".", false, CF_ERR_CONFIG, "is a folder" },
    { "a missing folder is named", "no/such/o.jsonl", false, CF_ERR_CONFIG, "there is no folder" },
    { "a name that ends in a slash is refused", "x/", false, CF_ERR_CONFIG, "there is no folder" },
    { "an empty name is refused", "", false, CF_ERR_CONFIG, "is empty" },
    { "a mark without a split is refused", "o-{split}.jsonl", false, CF_ERR_CONFIG,
      "needs a split" },
    { "a full device is refused at the end", "/dev/full", false, CF_ERR_STORAGE, "No space left" },
    { "standard output takes no split", "-", true, CF_ERR_CONFIG, "standard output" },
};

static void target_is_refused(void **state)
{
    const struct target_row *row = *state;
    struct cf_export_options options =
        row->split ? ninety_ten() : (struct cf_export_options){ .seed = 0 };
    struct cf_export *exporter = NULL;

    make_folder(NULL);
    const char *path = strchr("/-", row->path[0]) != NULL ? row->path : at(row->path);
    bool ok = cf_export_open(path, CF_EXPORT_MESSAGES, &options, &exporter, &err);
    if (ok) {
        must_add(exporter, "1", "u:1|a:2");
        ok = cf_export_commit(exporter, &err);
        cf_export_free(exporter);
    }
    assert_false(ok);
    assert_int_equal(err.kind, row->kind);
    if (strstr(err.message, row->words) == NULL)
        fail_msg("%s", err.message);
    assert_int_equal(count_files(), 0);
    remove_folder(NULL);
}

static int as_child(int (*act)(void))
{
    pid_t child = fork();
    if (child == 0)
        _exit(act());
    int status;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static int fill_disk(void)
{
    struct rlimit limit;
    struct cf_export *exporter;
    char *content = malloc(1 << 20);
    memset(content, 'x', 1 << 20);
    struct cf_export_turn turns[2] = { { { "user", 4 }, { content, 1 << 20 } },
                                       { { "assistant", 9 }, { "c", 1 } } };
    struct cf_export_record record = { .id = "x", .turns = turns, .turn_count = 2 };

    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = 100000;
    setrlimit(RLIMIT_FSIZE, &limit);
    if (!cf_export_open(at("o.jsonl"), CF_EXPORT_MESSAGES, NULL, &exporter, &err))
        return 1;
    bool ok = cf_export_add(exporter, &record, &err);
    cf_export_free(exporter);
    free(content);
    return ok                                                                             ? 2
           : err.kind == CF_ERR_STORAGE && strstr(err.message, "free some space") != NULL ? 0
                                                                                          : 3;
}

static void a_full_disk_leaves_the_old_file(void **state)
{
    (void)state;
    FILE *file = fopen(at("o.jsonl"), "w");
    fputs("old", file);
    fclose(file);
    assert_int_equal(as_child(fill_disk), 0);
    check_file("o.jsonl", "old");
    assert_int_equal(count_files(), 1);
}

static int open_as_user(void)
{
    struct cf_export *exporter;
    if (geteuid() == 0 && setuid(65534) != 0)
        return 99;
    if (cf_export_open(at("o.jsonl"), CF_EXPORT_MESSAGES, NULL, &exporter, &err))
        return 1;
    return err.kind == CF_ERR_STORAGE && strstr(err.message, "Permission denied") != NULL ? 0 : 2;
}

static void a_folder_that_cannot_be_written_is_told(void **state)
{
    (void)state;
    chmod(folder, 0555);
    assert_int_equal(as_child(open_as_user), 0);
}

static void a_read_only_file_is_not_replaced(void **state)
{
    (void)state;
    fclose(fopen(at("o.jsonl"), "w"));
    chmod(at("o.jsonl"), 0444);
    chmod(folder, 0777);
    assert_int_equal(as_child(open_as_user), 0);
}

static void formats_are_found_by_name(void **state)
{
    (void)state;
    enum cf_export_format format;
    for (int i = 0; i < CF_EXPORT_FORMATS; i++) {
        assert_true(
            cf_export_format_parse(cf_export_format_name((enum cf_export_format)i), &format, &err));
        assert_int_equal(format, i);
    }
    assert_false(cf_export_format_parse("parquet", &format, &err));
    assert_int_equal(err.kind, CF_ERR_CONFIG);
    assert_non_null(strstr(err.message, "messages, sharegpt, alpaca, jsonl"));
    for (int i = 0; i < CF_EXPORT_SKIPS; i++)
        assert_non_null(cf_export_skip_text((enum cf_export_skip)i));
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
#define ADD_ROWS(rows, function)                                                   \
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)                      \
        tests[count++] = (struct CMUnitTest)                                       \
        {                                                                          \
            .name = rows[i].name, .test_func = function, .initial_state = &rows[i] \
        }

int main(void)
{
    struct CMUnitTest tests[96] = {
        IN_FOLDER(content_with_nul_is_written_without_it),
        IN_FOLDER(jsonl_writes_every_field_with_the_same_types),
        IN_FOLDER(a_json_name_makes_one_array),
        IN_FOLDER(every_line_of_a_large_file_is_whole),
        IN_FOLDER(a_split_is_stable_and_of_the_right_size),
        IN_FOLDER(another_seed_makes_another_split),
        IN_FOLDER(records_with_one_key_share_a_split),
        IN_FOLDER(a_file_appears_only_when_it_is_whole),
        IN_FOLDER(a_link_stays_a_link),
        IN_FOLDER(a_device_is_written_as_it_is),
        IN_FOLDER(a_minus_is_standard_output),
        IN_FOLDER(a_full_disk_leaves_the_old_file),
        IN_FOLDER(a_folder_that_cannot_be_written_is_told),
        IN_FOLDER(a_read_only_file_is_not_replaced),
        IN_FOLDER(formats_are_found_by_name),
    };
    size_t count = 15;
    ADD_ROWS(format_rows, record_is_written_so);
    ADD_ROWS(split_rows, split_is_read_so);
    ADD_ROWS(target_rows, target_is_refused);
    return _cmocka_run_group_tests("export", tests, count, NULL, NULL);
}
