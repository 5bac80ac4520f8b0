/* Connections that wait, in the order they came. */
#include "base/check.h"
#include "upstream/internal.h"

void tg_upstream_queue_init(struct tg_upstream_queue *q)
{
    q->first = NULL;
    q->last = &q->first;
}

void tg_upstream_queue_add(struct tg_upstream_queue *q, struct tg_upstream_conn *p)
{
    CHECK(p->sibling == NULL && *q->last == NULL);
    *q->last = p;
    q->last = &p->sibling;
}

void tg_upstream_queue_remove(struct tg_upstream_queue *q, struct tg_upstream_conn *p)
{
    struct tg_upstream_conn **at = &q->first;

    while (*at != p) {
        CHECK(*at != NULL);
        at = &(*at)->sibling;
    }
    *at = p->sibling;
    p->sibling = NULL;
    if (q->last == &p->sibling)
        q->last = at;
}
