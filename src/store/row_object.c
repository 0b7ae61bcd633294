#include "store/row_object.h"

#include "base/object.h"
#include "store/reader.h"

void cf_row_add_turns(struct cf_buf *out, const struct cf_conversation_row *row)
{
    cf_object_open_list(out, "turns");
    for (size_t i = 0; i < row->turn_count; i++) {
        cf_object_open(out, NULL);
        cf_object_text(out, "role", row->turns[i].role);
        cf_object_text(out, "content", row->turns[i].content);
        cf_object_close(out);
    }
    cf_object_close_list(out);
}

void cf_row_add_tags(struct cf_buf *out, const struct cf_conversation_row *row)
{
    cf_object_open(out, "tags");
    for (size_t i = 0; i < row->tag_count; i++) {
        const struct cf_tag_row *tag = &row->tags[i];
        if (tag->is_number)
            cf_object_number(out, tag->name, tag->number);
        else
            cf_object_text(out, tag->name, tag->text);
    }
    cf_object_close(out);
}
