/* Fills a position from the device, which measures in WGS-84; nothing is saved until the form is. */
"use strict";

const place = document.querySelector("[data-locate]");
const WAIT_MS = 20_000;
const FAULTS = {
    1: "没有得到定位许可，请在浏览器设置中允许本站使用位置，或手工填写。",
    2: "设备现在定不了位，请到室外再试，或手工填写。",
    3: "定位超时，请到室外再试，或手工填写。",
};

if (place && navigator.geolocation) {
    const status = place.querySelector("[role=status]");
    place.hidden = false;
    place.querySelector("button").addEventListener("click", () => {
        status.textContent = "正在定位……";
        navigator.geolocation.getCurrentPosition(
            ({ coords }) => {
                document.getElementById("longitude").value = coords.longitude.toFixed(7);
                document.getElementById("latitude").value = coords.latitude.toFixed(7);
                document.getElementById("datum").value = "wgs84";
                document.dispatchEvent(new Event("positioned"));
                status.textContent = `已填入定位，误差约 ${Math.round(coords.accuracy)} 米；请核对后点“保存”。`;
            },
            (fault) => { status.textContent = FAULTS[fault.code] || FAULTS[2]; },
            { enableHighAccuracy: true, timeout: WAIT_MS, maximumAge: 0 },
        );
    });
}
