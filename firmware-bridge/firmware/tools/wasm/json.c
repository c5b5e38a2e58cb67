#include "json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAXIMUM_DEPTH 100

struct parser {
    const char *at;
    const char *end;
    bool failed;
};

static struct json *parse_value(struct parser *parser, int depth);

static void skip_space(struct parser *parser) {
    while (parser->at < parser->end && strchr(" \t\r\n", *parser->at) != NULL && *parser->at != 0) parser->at++;
}

static bool accept(struct parser *parser, char wanted) {
    skip_space(parser);
    if (parser->at >= parser->end || *parser->at != wanted) return false;
    parser->at++;
    return true;
}

static void expect(struct parser *parser, char wanted) {
    if (!accept(parser, wanted)) parser->failed = true;
}

static uint32_t read_hex(struct parser *parser) {
    char digits[5] = {0};
    if (parser->end - parser->at < 4) {
        parser->failed = true;
        return 0;
    }
    memcpy(digits, parser->at, 4);
    parser->at += 4;
    return (uint32_t)strtoul(digits, NULL, 16);
}

static char *write_utf8(char *to, uint32_t code) {
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
        *to++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *to++ = (char)(0xe0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    } else {
        *to++ = (char)(0xf0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 0x3f));
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    }
    return to;
}

static char *read_escape(struct parser *parser, char *to) {
    static const char names[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    char name = parser->at < parser->end ? *parser->at++ : 0;
    if (name == 'u') {
        uint32_t code = read_hex(parser);
        if (code >= 0xd800 && code < 0xdc00 && parser->end - parser->at >= 6 && parser->at[0] == '\\' && parser->at[1] == 'u') {
            parser->at += 2;
            code = 0x10000 + ((code - 0xd800) << 10) + (read_hex(parser) - 0xdc00);
        }
        return write_utf8(to, code);
    }
    for (const char *pair = names; *pair != 0; pair += 2) {
        if (pair[0] == name) {
            *to = pair[1];
            return to + 1;
        }
    }
    parser->failed = true;
    return to;
}

static char *parse_text(struct parser *parser, size_t *length) {
    expect(parser, '"');
    const char *close = parser->at;
    while (close < parser->end && *close != '"') close += *close == '\\' ? 2 : 1;
    /* What is escaped never takes more bytes than its escape. */
    char *text = calloc((size_t)(close - parser->at) + 2, 1);
    char *to = text;
    if (text == NULL) abort();
    while (!parser->failed && parser->at < parser->end && *parser->at != '"') {
        char next = *parser->at++;
        if (next == '\\')
            to = read_escape(parser, to);
        else
            *to++ = next;
    }
    expect(parser, '"');
    *length = (size_t)(to - text);
    return text;
}

static void parse_items(struct parser *parser, struct json *value, char end, int depth) {
    struct json **last = &value->first;
    if (accept(parser, end)) return;
    do {
        char *key = NULL;
        size_t length;
        skip_space(parser);
        if (value->kind == json_object) {
            key = parse_text(parser, &length);
            expect(parser, ':');
        }
        struct json *item = parse_value(parser, depth + 1);
        if (item == NULL) return;
        item->key = key;
        *last = item;
        last = &item->next;
    } while (!parser->failed && accept(parser, ','));
    expect(parser, end);
}

static struct json *parse_value(struct parser *parser, int depth) {
    skip_space(parser);
    if (parser->failed || parser->at >= parser->end || depth > MAXIMUM_DEPTH) {
        parser->failed = true;
        return NULL;
    }
    struct json *value = calloc(1, sizeof *value);
    if (value == NULL) abort();
    if (*parser->at == '"') {
        value->kind = json_string;
        value->text = parse_text(parser, &value->length);
    } else if (accept(parser, '{')) {
        value->kind = json_object;
        parse_items(parser, value, '}', depth);
    } else if (accept(parser, '[')) {
        value->kind = json_array;
        parse_items(parser, value, ']', depth);
    } else {
        const char *begin = parser->at;
        while (parser->at < parser->end && strchr(",]} \t\r\n", *parser->at) == NULL) parser->at++;
        value->kind = json_number;
        value->length = (size_t)(parser->at - begin);
        value->text = strndup(begin, value->length);
        if (value->length == 0) parser->failed = true;
    }
    return value;
}

struct json *json_parse(const char *text, size_t length) {
    struct parser parser = {text, text + length, false};
    struct json *value = parse_value(&parser, 0);
    skip_space(&parser);
    return parser.failed || parser.at != parser.end ? NULL : value;
}

const struct json *json_get(const struct json *object, const char *key) {
    for (const struct json *item = object == NULL ? NULL : object->first; item != NULL; item = item->next)
        if (item->key != NULL && strcmp(item->key, key) == 0) return item;
    return NULL;
}

const char *json_text(const struct json *object, const char *key) {
    const struct json *value = json_get(object, key);
    return value == NULL || value->text == NULL ? "" : value->text;
}
