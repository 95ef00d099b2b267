/* With which instructions a call really ran, and by which rules it was understood.
 *
 * The assistant is seen to have had a system message. That is compared with the versions of the
 * project: by hash when it stands there as written, else with those that hold variables
 * ("{{name}}"), whose values the provider has put in. What Callmend itself adds to a text that has
 * no place for it (what is known about the caller) is not part of the version; a version may have
 * such a section of its own, too.
 *
 * A message that is none of the versions are other instructions: the call says nothing about ours.
 * Unless the version in force cannot be told by its text; then it is believed. */
#include "analysis/understand_parts.h"

#include "base/crypto.h"

/* A template must say so much itself, or it would fit anything. */
enum { LITERAL_LEAST = 20 };

static const char added[] = "\n\n# What is known about this caller\n";

static struct span without_context(struct span text)
{
	const char *p = text.n ? memmem(text.p, text.n, added, sizeof(added) - 1) : NULL;
	return p ? (struct span){ text.p, (size_t)(p - text.p) } : text;
}

static size_t find(struct span in, struct span what)
{
	if (!what.n)
		return 0;
	const char *p = in.n ? memmem(in.p, in.n, what.p, what.n) : NULL;
	return p ? (size_t)(p - in.p) : SIZE_MAX;
}

/* The pieces between variables stand in the text in this order, the first at its beginning and the
 * last at its end. The leftmost place of each piece suffices. */
static bool fits(struct span template, struct span text)
{
	bool first = true;
	size_t literal = 0;
	for (;;) {
		size_t open = find(template, SPAN("{{"));
		struct span piece = { template.p, open == SIZE_MAX ? template.n : open };
		literal += piece.n;
		if (open == SIZE_MAX && !first)
			return literal >= LITERAL_LEAST && text.n >= piece.n &&
			       span_eq(span_from(text, text.n - piece.n), piece);
		if (open == SIZE_MAX)
			return span_eq(piece, text);
		size_t at = find(text, piece);
		if (at == SIZE_MAX || (first && at != 0))
			return false;
		text = span_from(text, at + piece.n);
		size_t close = find(span_from(template, open), SPAN("}}"));
		if (close == SIZE_MAX)
			return false;
		template = span_from(template, open + close + 2);
		first = false;
	}
}

static size_t literal(struct span template)
{
	size_t n = 0;
	for (;;) {
		size_t open = find(template, SPAN("{{"));
		if (open == SIZE_MAX)
			return n + template.n;
		n += open;
		template = span_from(template, open);
		size_t close = find(template, SPAN("}}"));
		if (close == SIZE_MAX)
			return n;
		template = span_from(template, close + 2);
	}
}

struct seen_text {
	struct span text;
	char hash[65];
};

static void look_at(struct span text, struct seen_text *out)
{
	struct buf hex AUTO_BUF = { 0 };
	uint8_t digest[32];
	out->text = span_trim(text);
	crypto_sha256(out->text, digest);
	crypto_hex((struct span){ (const char *)digest, sizeof(digest) }, &hex);
	memcpy(out->hash, hex.p, 64);
	out->hash[64] = '\0';
}

static bool is_this(const struct finished *c, struct json version, const struct seen_text *seen)
{
	struct json text = json_get(version, "text");
	if (json_is_text(json_get(version, "text_hash"), seen->hash))
		return true;
	return text.kind == JSON_STRING && fits(span_trim(json_text(text, c->arena)), seen->text);
}

/* Would a message made of this version have been recognised? */
static bool is_told_by_text(const struct finished *c, struct json version)
{
	struct json given = json_get(version, "text");
	if (json_true(json_get(version, "left_out")))
		return false;
	if (given.kind != JSON_STRING)
		return true;
	struct span text = span_trim(json_text(given, c->arena));
	return literal(text) >= LITERAL_LEAST && find(text, SPAN("{%")) == SIZE_MAX;
}

static bool was_other(const struct finished *c)
{
	struct json_iter it = json_iter(c->versions);
	struct span key;
	struct json v;
	if (!c->instruction_version.n)
		return json_count(c->versions) > 0;
	while (json_next(&it, &key, &v))
		if (span_eq(json_text(json_get(v, "id"), c->arena), c->instruction_version))
			return is_told_by_text(c, v);
	return false;
}

/* Of several with the same text the one that was in force, else the newest (the last given). */
void understand_version_find(struct finished *c)
{
	struct seen_text seen, whole;
	struct json_iter it = json_iter(c->versions);
	struct span key, found = { 0 };
	struct json v;
	c->ran_with = c->instruction_version;
	if (!c->system_text.n || c->versions.kind != JSON_ARRAY)
		return;
	look_at(without_context(c->system_text), &seen);
	look_at(c->system_text, &whole);
	while (json_next(&it, &key, &v)) {
		if (!is_this(c, v, &seen) && !is_this(c, v, &whole))
			continue;
		found = json_text(json_get(v, "id"), c->arena);
		if (span_eq(found, c->instruction_version))
			return;
	}
	if (!found.n && !was_other(c))
		return;
	c->ran_with = found;
	if (!found.n && !c->ineligible_because)
		c->ineligible_because = "other instructions";
}

void understand_version_rules(const struct finished *c, struct buf *out)
{
	/* The same as callmend_rules_hash() (migrations/0013_analyst.sql). */
	const struct json *const parts[] = { &c->field_list, &c->success_rule, &c->own_tag_list,
					     &c->searches };
	struct buf text AUTO_BUF = { 0 }, hex AUTO_BUF = { 0 };
	uint8_t digest[32];
	buf_add(&text, c->language);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		buf_addc(&text, '\n');
		buf_add(&text, json_has(*parts[i]) ? parts[i]->raw : (struct span){ 0 });
	}
	crypto_sha256(buf_span(&text), digest);
	crypto_hex((struct span){ (const char *)digest, 8 }, &hex);
	buf_printf(out, "%d-%s", UNDERSTAND_VERSION, buf_z(&hex));
}
