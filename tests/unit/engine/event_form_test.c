/* Events as bytes: server-sent events and WebSocket frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "confab/buf.h"
#include "engine/event_form.h"

#define UUID "01a20d08-1605-70c4-8a43-03c7eece9d63"
#define REST ",\"type\":\"item\",\"time\":\"2027-01-15T08:00:00.000Z\",\"data\":{\"n\":5}}"

struct row {
    const char *name;
    enum cf_event_form form;
    int64_t id;
    const char *run, *expected;
};

static struct row rows[] = {
    { "a stream has number, type and data in lines", CF_EVENT_STREAM, 17, UUID,
      "id: 17\nevent: item\ndata: {\"id\":17,\"run\":\"" UUID "\"" REST "\n\n" },
    { "a stream's event may have no number", CF_EVENT_STREAM, -1, UUID,
      "event: item\ndata: {\"id\":null,\"run\":\"" UUID "\"" REST "\n\n" },
    { "what concerns all has no run", CF_EVENT_STREAM, 0, "",
      "id: 0\nevent: item\ndata: {\"id\":0,\"run\":null" REST "\n\n" },
    { "a frame is whole, unmasked text", CF_EVENT_FRAME, 1, "",
      "\x81\x52{\"id\":1,\"run\":null" REST },
    { "a long frame has its length in two bytes", CF_EVENT_FRAME, 1795521383929303, UUID,
      "\x81\x7e_\x83{\"id\":1795521383929303,\"run\":\"" UUID "\"" REST },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    struct cf_buf rest, out;
    cf_buf_init(&rest, 4096);
    cf_buf_init(&out, 4096);
    cf_event_rest(&rest, "item", 1800000000000, (struct cf_text){ "{\"n\":5}", 7 });
    const struct cf_event event = { row->id, row->run, "item", { rest.data, rest.len } };
    cf_event_add(&out, row->form, &event);
    for (size_t i = 0; row->form == CF_EVENT_FRAME && i < out.len; i++)
        if (out.data[i] == '\0')
            out.data[i] = '_';    /* the high byte of the length */
    assert_string_equal(cf_buf_str(&out), row->expected);
    cf_buf_done(&out);
    cf_buf_done(&rest);
}

static void the_longest_frame_has_its_length_in_eight_bytes(void **state)
{
    (void)state;
    enum { LEN = 70000 };
    static char text[LEN];
    struct cf_buf out;
    memset(text, 'x', sizeof text);
    cf_buf_init(&out, LEN + 100);
    const struct cf_event event = { 1, "", "item", { text, LEN } };
    cf_event_add(&out, CF_EVENT_FRAME, &event);
    size_t len = LEN + strlen("{\"id\":1,\"run\":null");
    assert_int_equal(out.len, 10 + len);
    static const unsigned char head[] = { 0x81, 127, 0, 0, 0, 0, 0, 1 };
    assert_memory_equal(out.data, head, sizeof head);
    assert_int_equal((unsigned char)out.data[8] << 8 | (unsigned char)out.data[9], len & 0xffff);
    cf_buf_done(&out);
}

int main(void)
{
    enum { COUNT = sizeof rows / sizeof *rows };
    struct CMUnitTest tests[COUNT + 1] = {
        cmocka_unit_test(the_longest_frame_has_its_length_in_eight_bytes),
    };
    for (size_t i = 0; i < COUNT; i++)
        tests[i + 1] = (struct CMUnitTest){ .name = rows[i].name, .test_func = check_row,
                                            .initial_state = &rows[i] };
    return cmocka_run_group_tests_name("event_form", tests, NULL, NULL);
}
