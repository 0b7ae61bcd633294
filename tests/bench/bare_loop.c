/* bare_loop.c - the yardstick: the least that a single thread must do for a journalled item.
 *
 * libcurl's multi interface over epoll, one cJSON parse of the reply and one of the text inside,
 * and the same durable rows as confab's (call and request before sending; reply, log, conversation
 * and ten turns after), SQLite with synchronous=FULL in groups of up to 64. No limiter, no retry,
 * no Lua, no validation, no progress.
 *
 *   bare_loop URL ITEMS CONCURRENCY [DATABASE]     without DATABASE nothing is stored
 *
 * Prints one line of JSON: items, seconds, CPU seconds, peak memory in KB. */
#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define GROUP_MAX 64

struct slot {
    CURL *easy;
    char *body;
    size_t body_len, body_at;
    char *reply;
    size_t reply_len, reply_cap;
    int64_t item, call;
    bool is_ready; /* its rows are written: to be sent at the commit */
};

static struct {
    const char *url;
    int64_t items, next_item, done;
    struct slot *slots;
    int slot_count;
    CURLM *multi;
    int epoll_fd, timer_fd;
    struct curl_slist *headers;
    sqlite3 *db;
    sqlite3_stmt *insert_item, *insert_call, *insert_request, *update_call, *insert_reply,
        *insert_log, *insert_conversation, *insert_turn, *update_item;
    int pending;              /* writes since BEGIN */
    struct slot *ready[4096]; /* to be sent after the commit */
    int ready_count;
} loop;

static void die(const char *what)
{
    fprintf(stderr, "bare_loop: %s%s%s\n", what, loop.db != NULL ? ": " : "",
            loop.db != NULL ? sqlite3_errmsg(loop.db) : "");
    exit(1);
}

/* --- rows --- */

static void run_sql(const char *sql)
{
    if (loop.db != NULL && sqlite3_exec(loop.db, sql, NULL, NULL, NULL) != SQLITE_OK)
        die(sql);
}

static sqlite3_stmt *prepare(const char *sql)
{
    sqlite3_stmt *stmt;
    if (sqlite3_prepare_v3(loop.db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) != SQLITE_OK)
        die(sql);
    return stmt;
}

static void open_database(const char *path)
{
    if (sqlite3_open(path, &loop.db) != SQLITE_OK)
        die(path);
    run_sql("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
            "CREATE TABLE items (id INTEGER PRIMARY KEY, run INTEGER, key TEXT, ordinal INTEGER, "
            "params TEXT, state TEXT);"
            "CREATE UNIQUE INDEX items_key ON items(run, key);"
            "CREATE TABLE calls (id INTEGER PRIMARY KEY, item INTEGER REFERENCES items, branch "
            "TEXT, request_hash BLOB,"
            " ordinal INTEGER, state TEXT, model TEXT, input INTEGER, output INTEGER, cost "
            "INTEGER, bound INTEGER,"
            " latency_ms INTEGER, request_id TEXT);"
            "CREATE INDEX calls_item ON calls(item);"
            "CREATE TABLE requests (call INTEGER PRIMARY KEY REFERENCES calls, body TEXT);"
            "CREATE TABLE replies (call INTEGER PRIMARY KEY REFERENCES calls, body TEXT);"
            "CREATE TABLE generation_logs (id INTEGER PRIMARY KEY, call INTEGER REFERENCES calls, "
            "status TEXT,"
            " http_status INTEGER, input INTEGER, output INTEGER, cost INTEGER, duration_ms "
            "INTEGER, created_at TEXT);"
            "CREATE INDEX logs_call ON generation_logs(call);"
            "CREATE TABLE conversations (id INTEGER PRIMARY KEY, uuid TEXT UNIQUE, item INTEGER "
            "REFERENCES items,"
            " status TEXT, score REAL, breakdown TEXT, turn_count INTEGER, cost INTEGER, model "
            "TEXT, created_at TEXT);"
            "CREATE INDEX conversations_item ON conversations(item);"
            "CREATE TABLE conversation_turns (conversation INTEGER REFERENCES conversations, "
            "turn_index INTEGER,"
            " role TEXT, content TEXT, PRIMARY KEY (conversation, turn_index)) WITHOUT ROWID;");
    loop.insert_item = prepare(
        "INSERT INTO items (run, key, ordinal, params, state) VALUES (1, ?, ?, ?, 'pending')");
    loop.insert_call = prepare("INSERT INTO calls (item, branch, request_hash, ordinal, state, "
                               "model, bound) VALUES (?, '', ?, 0, 'sent', 'm', 1000)");
    loop.insert_request = prepare("INSERT INTO requests VALUES (?, ?)");
    loop.update_call = prepare("UPDATE calls SET state='done', input=?, output=?, cost=?, "
                               "latency_ms=1, request_id='r' WHERE id=?");
    loop.insert_reply = prepare("INSERT INTO replies VALUES (?, ?)");
    loop.insert_log = prepare(
        "INSERT INTO generation_logs (call, status, http_status, input, output, cost, duration_ms, "
        "created_at) VALUES (?, 'success', 200, ?, ?, ?, 1, '2026-01-01T00:00:00.000Z')");
    loop.insert_conversation = prepare(
        "INSERT INTO conversations (uuid, item, status, score, breakdown, turn_count, cost, model, "
        "created_at) VALUES (?, ?, 'generated', 10, '[]', ?, ?, 'm', '2026-01-01T00:00:00.000Z')");
    loop.insert_turn = prepare("INSERT INTO conversation_turns VALUES (?, ?, ?, ?)");
    loop.update_item = prepare("UPDATE items SET state='done' WHERE id=?");
    run_sql("BEGIN");
}

static void step(sqlite3_stmt *stmt)
{
    if (sqlite3_step(stmt) != SQLITE_DONE)
        die("a row");
    sqlite3_reset(stmt);
    loop.pending++;
}

static void start_transfer(struct slot *slot);

static void commit(void)
{
    if (loop.db != NULL && loop.pending > 0)
        run_sql("COMMIT; BEGIN");
    loop.pending = 0;
    int count = loop.ready_count;
    loop.ready_count = 0;
    for (int i = 0; i < count; i++)
        start_transfer(loop.ready[i]);
}

static void store_before(struct slot *slot)
{
    if (loop.db != NULL) {
        char key[32];
        snprintf(key, sizeof key, "%016llx",
                 (unsigned long long)slot->item * 0x9E3779B97F4A7C15ULL);
        sqlite3_bind_text(loop.insert_item, 1, key, -1, SQLITE_TRANSIENT);
        sqlite3_bind_int64(loop.insert_item, 2, slot->item);
        sqlite3_bind_text(loop.insert_item, 3, "{\"persona\":\"Ann\",\"topic\":\"cards\"}", -1,
                          SQLITE_STATIC);
        step(loop.insert_item);
        int64_t item = sqlite3_last_insert_rowid(loop.db);
        sqlite3_bind_int64(loop.insert_call, 1, item);
        sqlite3_bind_blob(loop.insert_call, 2, slot->body, 32, SQLITE_STATIC);
        step(loop.insert_call);
        slot->call = sqlite3_last_insert_rowid(loop.db);
        sqlite3_bind_int64(loop.insert_request, 1, slot->call);
        sqlite3_bind_text(loop.insert_request, 2, slot->body, (int)slot->body_len, SQLITE_STATIC);
        step(loop.insert_request);
        slot->item = item;
    }
    loop.ready[loop.ready_count++] = slot;
}

static void store_after(struct slot *slot, int64_t input, int64_t output, const cJSON *turns)
{
    if (loop.db == NULL)
        return;
    int64_t cost = input * 3000000 + output * 15000000;
    sqlite3_bind_int64(loop.update_call, 1, input);
    sqlite3_bind_int64(loop.update_call, 2, output);
    sqlite3_bind_int64(loop.update_call, 3, cost);
    sqlite3_bind_int64(loop.update_call, 4, slot->call);
    step(loop.update_call);
    sqlite3_bind_int64(loop.insert_reply, 1, slot->call);
    sqlite3_bind_text(loop.insert_reply, 2, slot->reply, (int)slot->reply_len, SQLITE_STATIC);
    step(loop.insert_reply);
    sqlite3_bind_int64(loop.insert_log, 1, slot->call);
    sqlite3_bind_int64(loop.insert_log, 2, input);
    sqlite3_bind_int64(loop.insert_log, 3, output);
    sqlite3_bind_int64(loop.insert_log, 4, cost);
    step(loop.insert_log);

    char uuid[40];
    snprintf(uuid, sizeof uuid, "%012llx-7000-8000-%016llx", (unsigned long long)time(NULL),
             (unsigned long long)slot->call);
    sqlite3_bind_text(loop.insert_conversation, 1, uuid, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(loop.insert_conversation, 2, slot->item);
    sqlite3_bind_int(loop.insert_conversation, 3, cJSON_GetArraySize(turns));
    sqlite3_bind_int64(loop.insert_conversation, 4, cost);
    step(loop.insert_conversation);
    int64_t conversation = sqlite3_last_insert_rowid(loop.db);
    int index = 0;
    const cJSON *turn;
    cJSON_ArrayForEach (turn, turns) {
        const cJSON *role = cJSON_GetObjectItemCaseSensitive(turn, "role");
        const cJSON *content = cJSON_GetObjectItemCaseSensitive(turn, "content");
        sqlite3_bind_int64(loop.insert_turn, 1, conversation);
        sqlite3_bind_int(loop.insert_turn, 2, index++);
        sqlite3_bind_text(loop.insert_turn, 3, role->valuestring, -1, SQLITE_STATIC);
        sqlite3_bind_text(loop.insert_turn, 4, content->valuestring, -1, SQLITE_STATIC);
        step(loop.insert_turn);
    }
    sqlite3_bind_int64(loop.update_item, 1, slot->item);
    step(loop.update_item);
}

/* --- requests --- */

static const char filler[] =
    "The customer has been with the bank for years and writes in a plain, direct way. ";

/* About 2 KB, different for each item. */
static void make_body(struct slot *slot)
{
    if (slot->body == NULL)
        slot->body = malloc(4096);
    int len = snprintf(slot->body, 4096,
                       "{\"model\":\"claude-sonnet-5-5\",\"max_tokens\":4096,\"thinking\":{"
                       "\"type\":\"between_tools\"},\"messages\":[{\"role\":\"user\","
                       "\"content\":\"Write a chat of 10 turns between persona-%lld, who feels "
                       "calm, and an agent, about topic %lld. ",
                       (long long)slot->item, (long long)slot->item % 97);
    for (int i = 0; i < 20; i++)
        len += snprintf(slot->body + len, 4096 - (size_t)len, "%s", filler);
    len += snprintf(slot->body + len, 4096 - (size_t)len,
                    "Answer with JSON: {\\\"turns\\\": []}\"}]}");
    slot->body_len = (size_t)len;
}

static size_t on_write(char *bytes, size_t size, size_t count, void *self)
{
    struct slot *slot = self;
    size_t len = size * count;
    if (slot->reply_len + len + 1 > slot->reply_cap) {
        slot->reply_cap = 2 * (slot->reply_len + len + 1);
        slot->reply = realloc(slot->reply, slot->reply_cap);
    }
    memcpy(slot->reply + slot->reply_len, bytes, len);
    slot->reply_len += len;
    slot->reply[slot->reply_len] = '\0';
    return len;
}

static void start_transfer(struct slot *slot)
{
    slot->reply_len = 0;
    curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDSIZE, (long)slot->body_len);
    curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDS, slot->body);
    curl_multi_add_handle(loop.multi, slot->easy);
}

static void begin_item(struct slot *slot)
{
    if (loop.next_item == loop.items)
        return;
    slot->item = loop.next_item++;
    make_body(slot);
    store_before(slot);
}

static void finish_item(struct slot *slot)
{
    cJSON *reply = cJSON_ParseWithLength(slot->reply, slot->reply_len);
    const cJSON *content = cJSON_GetObjectItemCaseSensitive(reply, "content"), *block;
    const char *text = NULL;
    cJSON_ArrayForEach (block, content) {
        const cJSON *type = cJSON_GetObjectItemCaseSensitive(block, "type");
        if (cJSON_IsString(type) && strcmp(type->valuestring, "text") == 0)
            text = cJSON_GetObjectItemCaseSensitive(block, "text")->valuestring;
    }
    if (text == NULL)
        die("a reply without text");
    const cJSON *usage = cJSON_GetObjectItemCaseSensitive(reply, "usage");
    cJSON *inner = cJSON_Parse(text);
    const cJSON *turns = cJSON_GetObjectItemCaseSensitive(inner, "turns");
    store_after(slot, cJSON_GetObjectItemCaseSensitive(usage, "input_tokens")->valueint,
                cJSON_GetObjectItemCaseSensitive(usage, "output_tokens")->valueint, turns);
    cJSON_Delete(inner);
    cJSON_Delete(reply);
    loop.done++;
    begin_item(slot);
}

static void take_messages(void)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(loop.multi, &left)) != NULL) {
        CURL *easy = message->easy_handle;
        if (message->data.result != CURLE_OK)
            die(curl_easy_strerror(message->data.result));
        struct slot *slot;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &slot);
        curl_multi_remove_handle(loop.multi, easy);
        finish_item(slot);
        if (loop.pending > GROUP_MAX * 16)
            commit();
    }
}

/* --- the loop --- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *self, void *mark)
{
    (void)easy, (void)self;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(loop.epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    struct epoll_event event = { .data.fd = fd };
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    epoll_ctl(loop.epoll_fd, mark != NULL ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    curl_multi_assign(loop.multi, fd, &loop);
    return 0;
}

static int on_timer(CURLM *multi, long ms, void *self)
{
    (void)multi, (void)self;
    struct itimerspec when = { 0 };
    if (ms >= 0)
        when.it_value = (struct timespec){ ms / 1000, ms == 0 ? 1 : ms % 1000 * 1000000 };
    timerfd_settime(loop.timer_fd, 0, &when, NULL);
    return 0;
}

static void run(void)
{
    struct epoll_event events[256];
    int running;
    while (loop.done < loop.items) {
        int count = epoll_wait(loop.epoll_fd, events, 256, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == loop.timer_fd) {
                uint64_t ticks;
                ssize_t ignored = read(loop.timer_fd, &ticks, sizeof ticks);
                (void)ignored;
                curl_multi_socket_action(loop.multi, CURL_SOCKET_TIMEOUT, 0, &running);
            } else {
                int what =
                    (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR) ? CURL_CSELECT_IN : 0) |
                    (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0);
                curl_multi_socket_action(loop.multi, events[i].data.fd, what, &running);
            }
        }
        take_messages();
        commit();
    }
}

static double seconds(struct timeval tv)
{
    return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: bare_loop URL ITEMS CONCURRENCY [DATABASE]\n");
        return 2;
    }
    loop.url = argv[1];
    loop.items = atoll(argv[2]);
    loop.slot_count = atoi(argv[3]);
    if (argc > 4)
        open_database(argv[4]);
    curl_global_init(CURL_GLOBAL_ALL);
    loop.multi = curl_multi_init();
    loop.epoll_fd = epoll_create1(0);
    loop.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event event = { .events = EPOLLIN, .data.fd = loop.timer_fd };
    epoll_ctl(loop.epoll_fd, EPOLL_CTL_ADD, loop.timer_fd, &event);
    curl_multi_setopt(loop.multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(loop.multi, CURLMOPT_TIMERFUNCTION, on_timer);
    loop.headers = curl_slist_append(NULL, "content-type: application/json");
    loop.headers = curl_slist_append(loop.headers, "x-api-key: sk-bench");
    loop.headers = curl_slist_append(loop.headers, "anthropic-version: 2023-06-01");
    loop.headers = curl_slist_append(loop.headers, "Expect:");

    struct timespec began, ended;
    clock_gettime(CLOCK_MONOTONIC, &began);
    loop.slots = calloc((size_t)loop.slot_count, sizeof *loop.slots);
    for (int i = 0; i < loop.slot_count; i++) {
        struct slot *slot = &loop.slots[i];
        slot->easy = curl_easy_init();
        curl_easy_setopt(slot->easy, CURLOPT_URL, loop.url);
        curl_easy_setopt(slot->easy, CURLOPT_HTTPHEADER, loop.headers);
        curl_easy_setopt(slot->easy, CURLOPT_WRITEFUNCTION, on_write);
        curl_easy_setopt(slot->easy, CURLOPT_WRITEDATA, slot);
        curl_easy_setopt(slot->easy, CURLOPT_PRIVATE, slot);
        begin_item(slot);
    }
    commit();
    run();
    commit();
    clock_gettime(CLOCK_MONOTONIC, &ended);

    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double wall =
        (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9;
    double cpu = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    printf("{\"items\":%lld,\"seconds\":%.4f,\"cpu_seconds\":%.4f,\"peak_kb\":%ld}\n",
           (long long)loop.done, wall, cpu, usage.ru_maxrss);
    return 0;
}
