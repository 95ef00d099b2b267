/* What words of a finished call are a sign of: the standard tags (D2), and what outcome, questions
 * and the point of failure are told by. Phrases by language: signs_en.c, signs_es.c; normalised as
 * call/words.h does it. */
#ifndef CALLMEND_ANALYSIS_SIGNS_H
#define CALLMEND_ANALYSIS_SIGNS_H

#include <stdint.h>

#include "callmend/span.h"

/* X(id, category, tag, whose words, meaning). The category "" is no tag. docs/understanding.md
 * shows this table; a test compares. */
#define SIGNS(X)                                                                               \
	X(HIGH, "intent", "high", USER, "wants it, and says so")                               \
	X(LOW, "intent", "low", USER, "only looks around, or does not want it")                \
	X(SHOPPING, "intent", "price_shopping", USER, "compares prices")                       \
	X(UPGRADE, "intent", "upgrade_likely", USER, "asks for more, better or larger")        \
	X(BUDGET, "budget", "stated", USER, "names a budget")                                  \
	X(LIMITED, "budget", "limited", USER, "must spend little")                             \
	X(FLEXIBLE, "budget", "flexible", USER, "money does not matter")                       \
	X(MINIMUM, "objection", "minimum", USER, "the minimum is too high")                    \
	X(TRAVEL, "objection", "travel", USER, "distance, travel or delivery fee")             \
	X(PRICE, "objection", "price", USER, "too expensive")                                  \
	X(AVAILABILITY, "objection", "availability", USER, "the day or time does not suit")    \
	X(AUTHORITY, "objection", "authority", USER, "somebody else decides")                  \
	X(TRUST, "objection", "trust", USER, "doubts that it is genuine or good")              \
	X(COMPETITOR, "objection", "competitor", USER, "has another offer")                    \
	X(DEPOSIT, "objection", "payment", USER, "does not want to pay so: deposit, card")     \
	X(BIRTHDAY, "occasion", "birthday", USER, "birthday")                                  \
	X(WEDDING, "occasion", "wedding", USER, "wedding")                                     \
	X(ANNIVERSARY, "occasion", "anniversary", USER, "anniversary")                         \
	X(GRADUATION, "occasion", "graduation", USER, "graduation")                            \
	X(CORPORATE, "occasion", "corporate", USER, "of a company")                            \
	X(HOLIDAY, "occasion", "holiday", USER, "a feast of the calendar")                     \
	X(FAMILY, "occasion", "family", USER, "engagement, baby shower, reunion, baptism ...") \
	X(FIRST_TIME, "behaviour", "first_time", USER, "was never here before")                \
	X(RETURNING, "behaviour", "returning", USER, "was here before")                        \
	X(URGENT, "behaviour", "urgent", USER, "needs it now")                                 \
	X(BOOKED, "outcome", "booked", AI, "says that it is booked, ordered, scheduled")       \
	X(PENDING, "outcome", "pending", USER, "will think about it or come back")             \
	X(ESCALATED, "outcome", "escalated", AI, "passes the caller on to a person")           \
	X(REFUSED, "outcome", "lost", USER, "declines the offer")                              \
	X(WRONG_NUMBER, "", "", USER, "did not want to call here")                             \
	X(NO_ANSWER, "", "", AI, "cannot answer what it was asked")                            \
	X(PRICE_TOLD, "", "", AI, "names a price")                                             \
	X(GOODBYE, "", "", NONE, "farewell")                                                   \
	X(SMALL_TALK, "", "", USER, "a question that wants no answer of substance")

enum sign {
#define X(id, category, tag, speaker, doc) SIGN_##id,
	SIGNS(X)
#undef X
		SIGN_COUNT,
	/* The project's own phrases follow: SIGN_COUNT + number. */
};

struct sign_phrase {
	const char *words; /* NULL at the end */
	enum sign sign;
	uint8_t weight; /* 1-100: how sure, in percent */
};

struct sign_list {
	const struct sign_phrase *phrases;
	/* Words that carry no content: left out of the key of a question. NULL at the end. */
	const char *const *small_words;
};
extern const struct sign_list signs_en, signs_es;

#endif
