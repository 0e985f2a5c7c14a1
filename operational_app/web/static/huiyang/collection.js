/* 数据采集: each figure is saved as it is typed, and a block copied from a spreadsheet fills the grid. */
"use strict";

const autosaved = document.querySelector("form[data-autosave]");
if (autosaved) {
    const token = autosaved.querySelector("input[name=csrftoken]").value;
    const told = autosaved.querySelector("[data-saved]");
    const rowOf = (code) => autosaved.querySelector(`[data-row="${code}"]`);
    const listProblems = (row, messages) => {
        row.querySelector("[data-problems]").replaceChildren(...messages.map((message) => {
            const item = document.createElement("li");
            item.textContent = message;
            return item;
        }));
        row.classList.toggle("has-problem", messages.length > 0);
    };
    /* One after the other: what was typed last is saved last. */
    let queue = Promise.resolve();
    let waiting = 0;
    const send = async (code, field, values) => {
        const row = rowOf(code);
        const seen = row.querySelector(`input[name="seen-${code}"]`);
        let response;
        try {
            response = await fetch(autosaved.dataset.autosave, {
                method: "POST",
                headers: { "x-csrftoken": token, Accept: "application/json" },
                body: new URLSearchParams({ code, ...values(seen) }),
            });
        } catch {
            told.textContent = "网络中断，刚才的填写还没有保存；恢复后请点“保存草稿”。";
            return;
        }
        if (response.redirected || response.status === 401 || response.status === 403) {
            told.textContent = "登录已过期，刚才的填写还没有保存。请在新窗口登录后点“保存草稿”。";
            return;
        }
        const answer = await response.json();
        if (response.status === 409) {
            /* Somebody else was faster: what is typed stays; the next change is made knowing theirs. */
            seen.value = answer.stored;
            listProblems(row, [`${answer.problem}再改一次即以您的为准，或改为“${answer.shown || "空"}”。`]);
            field.dataset.unsaved = "true";
            told.textContent = "有一项没有保存";
            return;
        }
        if (!response.ok) {
            listProblems(row, [answer.problem]);
            field.dataset.unsaved = "true";
            told.textContent = "有一项没有保存";
            return;
        }
        delete field.dataset.unsaved;
        seen.value = answer.stored;
        field.classList.remove("is-prefilled");
        row.querySelector("[data-source]").textContent = answer.source;
        autosaved.querySelector("[data-confirmed]").textContent = answer.confirmed;
        autosaved.querySelector("input[name=row_version]").value = answer.row_version;
        autosaved.querySelectorAll("[data-row]").forEach((one) => {
            if (!one.querySelector("[data-unsaved]")) {
                listProblems(one, answer.problems[one.dataset.row] || []);
            }
        });
        told.textContent = `已自动保存 ${new Date().toLocaleTimeString("zh-CN", { hour12: false })}`;
    };
    autosaved.addEventListener("change", (event) => {
        const field = event.target;
        const code = field.dataset.figure || field.dataset.remark;
        if (!code) {
            return;
        }
        const values = field.dataset.figure
            ? (seen) => ({ text: field.value, seen: seen.value })
            : () => ({ remark: field.value });
        waiting += 1;
        told.textContent = "正在保存…";
        queue = queue.then(() => send(code, field, values)).finally(() => { waiting -= 1; });
    });
    /* Leaving while something is on its way, or was refused, is asked about. */
    let leaving = false;
    autosaved.addEventListener("submit", (event) => {
        leaving = true;
        if (waiting) {
            event.preventDefault();
            queue.then(() => autosaved.requestSubmit(event.submitter));
        }
    });
    window.addEventListener("beforeunload", (event) => {
        if (!leaving && (waiting || autosaved.querySelector("[data-unsaved]"))) {
            event.preventDefault();
        }
    });
}

const grid = document.querySelector("[data-grid]");
if (grid) {
    const told = document.querySelector("[data-pasted]");
    const rows = [...grid.tBodies[0].rows].map((row) => [...row.querySelectorAll("td input")]);
    const place = (input) => {
        const row = rows.findIndex((cells) => cells.includes(input));
        return [row, row < 0 ? -1 : rows[row].indexOf(input)];
    };
    grid.addEventListener("paste", (event) => {
        const [top, left] = place(event.target);
        const text = event.clipboardData.getData("text/plain").replace(/\r\n?/g, "\n").replace(/\n$/, "");
        if (top < 0 || !/[\t\n]/.test(text)) {
            return;
        }
        event.preventDefault();
        const block = text.split("\n").map((line) => line.split("\t"));
        let filled = 0;
        let outside = 0;
        block.forEach((line, down) => line.forEach((value, across) => {
            const cell = rows[top + down] && rows[top + down][left + across];
            if (cell) {
                cell.value = value.trim();
                filled += 1;
            } else {
                outside += 1;
            }
        }));
        told.textContent = `已填入 ${filled} 格${outside ? `，超出表格的 ${outside} 格没有填入` : ""}；请核对后点“检查并保存本页”。`;
    });
    grid.addEventListener("keydown", (event) => {
        const step = { ArrowUp: -1, ArrowDown: 1, Enter: 1 }[event.key];
        const [row, column] = place(event.target);
        if (step && row >= 0) {
            event.preventDefault();
            const next = rows[row + step] && rows[row + step][column];
            if (next) {
                next.focus();
                next.select();
            }
        }
    });
}
