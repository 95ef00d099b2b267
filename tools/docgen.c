/* Writes the documents that are made from tables in the code; unit tests compare them.
 *
 *	callmend_docgen <root of the repository> */
#include <stdio.h>

#include "base/config.h"
#include "base/file.h"
#include "base/metrics.h"

struct document {
	const char *path;
	void (*write)(struct buf *out);
};

static const struct document documents[] = {
	{ "docs/configuration.md", config_write_docs },
	{ "docs/metrics.md", metrics_write_docs },
	{ "config/callmend.example.yaml", config_write_example },
};

static int write_document(const char *root, const struct document *d, struct fault *f)
{
	struct buf path AUTO_BUF = { 0 }, text AUTO_BUF = { 0 };
	buf_printf(&path, "%s/%s", root, d->path);
	d->write(&text);
	return file_replace(buf_z(&path), 0644, buf_span(&text), f);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: callmend_docgen <root of the repository>\n");
		return 2;
	}
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
		struct fault f = { 0 };
		if (write_document(argv[1], &documents[i], &f)) {
			fprintf(stderr, "callmend_docgen: %s\n", f.text);
			return 1;
		}
	}
	return 0;
}
