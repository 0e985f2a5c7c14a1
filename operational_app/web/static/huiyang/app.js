/* Small helps that pages work without: rows that open with a click, dependent division selects, the bell's number. */
"use strict";

document.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-href]");
    if (row && !event.target.closest("a, button, input, label") && !window.getSelection().toString()) {
        window.location.href = row.dataset.href;
    }
});

/* One box that ticks all of its form's boxes of a name. */
document.querySelectorAll("[data-check-all]").forEach((all) => {
    all.addEventListener("change", () => {
        all.form.querySelectorAll(`input[type=checkbox][name="${all.dataset.checkAll}"]`).forEach((box) => {
            box.checked = all.checked;
        });
    });
});

/* County, town, village: choosing one loads the choices below it. */
document.querySelectorAll("[data-divisions]").forEach((group) => {
    const selects = [...group.querySelectorAll("select")];
    const setOptions = (select, divisions) => {
        select.replaceChildren(select.options[0], ...divisions.map((division) => new Option(division.name, division.code)));
        select.value = "";
        select.disabled = divisions.length === 0;
    };
    selects.forEach((select, level) => {
        select.addEventListener("change", async () => {
            selects.slice(level + 1).forEach((lower) => setOptions(lower, []));
            const next = selects[level + 1];
            if (!next || !select.value) {
                return;
            }
            const response = await fetch(`/divisions?within=${encodeURIComponent(select.value)}&of=${group.dataset.divisions}`, {
                headers: { Accept: "application/json" },
            });
            if (response.ok) {
                setOptions(next, await response.json());
            } else if (response.status === 401) {
                window.location.reload();
            }
        });
    });
});

/* The bell: how many notifications are unread. Asked once a minute at most by all pages of a tab, and never unseen. */
const bells = document.querySelectorAll("[data-bell]");
const BELL_KEPT = "unread-notifications";
const BELL_EVERY_MS = 60_000;

const ring = (count) => {
    bells.forEach((bell) => {
        const badge = bell.querySelector(".badge");
        badge.hidden = count === 0;
        badge.textContent = count > 99 ? "99+" : String(count);
        bell.setAttribute("aria-label", count ? `消息通知，${count} 条未读` : "消息通知");
    });
};

const askBell = async () => {
    const kept = JSON.parse(sessionStorage.getItem(BELL_KEPT) || "null");
    if (kept && Date.now() - kept.at < BELL_EVERY_MS) {
        ring(kept.count);
    } else if (!document.hidden) {
        const response = await fetch("/notifications/unread", { headers: { Accept: "application/json" } });
        if (response.ok) {
            const count = (await response.json()).unread;
            sessionStorage.setItem(BELL_KEPT, JSON.stringify({ at: Date.now(), count }));
            ring(count);
        } else {
            clearInterval(asking);
        }
    }
};

const asking = bells.length ? setInterval(askBell, BELL_EVERY_MS) : 0;
if (bells.length) {
    askBell();
} else {
    sessionStorage.removeItem(BELL_KEPT);  // signed out: the next user of this tab has a number of their own
}
document.addEventListener("submit", () => sessionStorage.removeItem(BELL_KEPT));

/* What runs elsewhere: its card is asked for every two seconds, and the page anew once it has ended. */
const POLL_MS = 2_000;
const poll = async (card) => {
    if (!document.hidden) {
        const response = await fetch(card.dataset.poll).catch(() => null);
        if (response?.ok) {
            const fresh = new DOMParser().parseFromString(await response.text(), "text/html").querySelector("[data-poll]");
            if (!fresh) {
                window.location.replace(window.location.pathname);
                return;
            }
            card.replaceWith(fresh);
            card = fresh;
        }
    }
    setTimeout(poll, POLL_MS, card);
};
document.querySelectorAll("[data-poll]").forEach((card) => setTimeout(poll, POLL_MS, card));
