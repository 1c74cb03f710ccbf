"""The small words of each language: they tell a short text's language, and say nothing when searched for."""

from __future__ import annotations

_LISTS = {
    "english": """
        a about after again all also am an and any are as at be because been before being both but by can can't could did
        didn't do does doesn't doing don't down each every few for from further had has have having he her here hers him
        his how i i'd i'll i'm i've if in into is isn't it it's its itself just let's me might more most must my myself no
        nor not now
        of off on once only or other our ours out over own same shall she should so some such than that that's the their
        them then there these they this those through to too under until up upon us very was we were what what's when
        where which while who whom whose why will won't with within without would you your yours""",
    "german": """
        aber alle allem allen aller alles als also am an andere anderen auch auf aus bei beim bin bis bist da dabei damit
        dann das dass dein deine deinem deinen deiner dem den denn der des dessen dich die dies diese diesem diesen
        dieser dieses dir doch dort du durch ein eine einem einen einer eines er es etwas euch euer eure für gegen gibt
        hab habe haben hat hatte hatten hier ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im immer in ins ist ja jede
        jedem jeden jeder jedes jetzt kann kannst kein keine keinem keinen keiner können könnte man manche mein meine
        meinem meinen meiner mich mir mit muss müssen nach nicht nichts noch nun nur ob oder ohne sehr sein seine seinem
        seinen seiner seit sich sie sind so sollte sondern soll über um und uns unser unsere unter vom von vor wann war
        waren warum was wegen weil welche welchem welchen welcher welches wenn wer werde werden wie wieder will wir wird
        wo wurde wurden würde zu zum zur zwischen viel viele""",
    "french": """
        à ai ainsi alors après as au aucun aucune aussi autre autres aux avait avant avec avez avoir avons c c'est car ce
        cela ces cet cette ceux chaque chez comme comment d dans de depuis des dois doit donc dont du elle elles en encore
        entre es est et étais était être eu eux fait faire fois ici il ils j j'ai je l la là le les leur leurs lorsque lui
        m ma mais me même mes moi moins mon n ne ni nos notre nous on ont ou où par pas pendant peu peut plus pour
        pourquoi qu quand que quel quelle quelles quels qui quoi s sa sans se sera ses si soit son sont sous suis sur t ta
        te tes toi ton tous tout toute toutes très tu un une vos votre vous y combien""",
    "spanish": """
        a al algo algún alguna algunas alguno algunos ante antes aquel aquella así aunque cada como cómo con contra cual
        cuál cuáles cuando cuándo cuánto cuántos cuántas de del desde donde dónde durante e el él ella ellas ellos en entre
        era eran eres es esa ese eso esos esta está están estar estas este esto estos estoy fue fueron ha había han has
        hasta hay he la las le les lo los más me mi mí mis mucho muchos muy nada ni no nos nosotros nuestra nuestro o os
        otra otras otro otros para pero poco por porque qué que quien quién se sea ser si sí sido sin sobre son soy su sus
        también tanto te tengo ti tiene tienen todo todos tu tú tus un una unas uno unos y ya yo gusta""",
    "italian": """
        a abbiamo ad agli ai al alla alle allo anche ancora avere aveva avevo c c'è che chi ci come con contro cosa così
        cui d da dagli dai dal dalla dalle degli dei del dell della delle dello di dopo dov dove due e è ed era erano ero
        essere fa fra già gli ha hai hanno ho i il in io l la le lei li lo loro lui ma me mi mia mie miei mio molto molti
        ne negli nei nel nella nelle nello niente noi non nostra nostro o ogni per perché però più po poi prima qual quale
        quali quando quanta quante quanti quanto quella quelle quelli quello questa queste questi questo qui sarà se sei
        senza si sia solo sono sta stata stato su sua sue sugli sui sul sulla sulle suo suoi tra ti tu tua tue tuo tuoi
        tutti tutto un una uno vi voi""",
    "portuguese": """
        a ao aos as até com como cada da dar das de dele dela deles depois desde dessa desse desta deste do dos e é ela
        elas ele eles em entre era eram essa essas esse esses esta está estão estas este estes estou eu foi for foram há
        isso isto já lhe mais mas me mesmo meu meus minha minhas muito muitos na não nas nem no nos nós nossa nosso num
        numa o onde os ou para pela pelas pelo pelos por porque porquê pra qual quais quando quanto quantos quantas que
        quê quem se sem ser será seu seus só sob sobre sua suas são também te tem têm tenho ter tinha toda todas todo todos
        tu tua tudo um uma umas uns você vocês vai vou antes gosta""",
    "dutch": """
        aan al alle alles als altijd ben bij bent ben daar dan dat de deze die dit doen door dus een en er ge geen had
        hadden haar heb hebben hebt heeft hem het hier hij hoe hoeveel hun ik in is ja je jij jou jouw jullie kan kunnen
        maar me meer men met mij mijn moet moeten na naar niet niets nog nu of om omdat onder ons onze ook op over te tegen
        toch toen tot tussen u uit uw van vaak veel voor vooral waar waarom wanneer waren was wat we wel welk welke werd
        wie wij wil willen worden wordt zal ze zei zelf zich zij zijn zo zonder zou zullen elke iets heel""",
    "swedish": """
        alla allt att av bara blev bli blir bort de dem den denna deras dess det detta dig din dina ditt du där efter ej
        eller en er era ett från för före ha hade han hans har henne hennes honom hos hur här i icke ingen inga ingenting
        inget inte jag ju kan kunde man med mellan men mer mig min mina mitt mot mycket många måste ni nu när något någon
        några och också om oss på samma sedan sig sin sina sitt själv ska skall skulle som så till under upp ut utan var
        vara varför varit vad vem vi vid vilka vilken vilket vill är åt än över mitt vårt vår våra gärna""",
    "danish": """
        ad af aldrig alle alt at begge blev blive bliver da de dem den denne der deres det dette dig din dine disse dit dog
        du efter ej eller en end er et få før for fordi fra ham han hans har havde have hende hendes her hos hun hvad hvem
        hver hvilken hvilket hvis hvor hvordan hvorfor hvornår i ikke ind ingen intet ja jeg jer jeres jo kan kun kunne lige
        mange med meget mellem men mens mig min mine mit må når ned nej noget nogen nogle nu og også om op os over på samme
        selv sig sin sine sit skal skulle som så til ud under var ved vi vil ville være været vores vor uden""",
    "norwegian": """
        alle alt at av bare begge ble bli blir da de deg dem den denne der deres det dette din dine disse ditt du eller en
        er et ett etter for fordi fra før ha hadde han hans har hennes henne her hos hun hva hvem hver hvilke hvilken
        hvilket hvis hvor hvordan hvorfor i ikke ingen inn ja jeg kan kun kunne man mange med meg mellom men mens mer min
        mine mitt mot må mye nei noe noen nå når og også om opp oss over på samme seg selv si sin sine sitt skal skulle som
        så til ut uten var ved vi vil ville være vært våre vår""",
    "finnish": """
        aina ei eivät eli en ennen että hän hänen he heidän hyvin ilman itse ja jo joka jos joita jossa jota kaikki kanssa
        kenen kuin kuinka kuka kun kyllä me meidän mihin mikä miksi millainen milloin minä minulla minulle minun minut
        minua missä minne mistä mitä montako mukaan mutta mutta myös nämä ne niin niitä noin nyt oli olen olet olla olivat
        ollut oma on ole ovat paljon se sekä sen siellä siinä siitä sinä sinulla sinun sitä sitten tai tämä tämän tässä tätä
        te teidän tuo vaan vai vain vielä voi""",
    "hungarian": """
        a ahol aki akkor alatt amely ami amikor amit az azért azok azt azzal be be bár csak de e ebben egy egyik el ehhez
        ekkor én ennek után és ez ezek ezt ezzel fel felé ha hány hanem hát hogy hogyan hol honnan hova itt igen is jó kell
        ki kik kinek le lehet lenne lesz ma maga már meg mely melyik mennyi mert mi miatt miért míg mikor milyen minden
        mindig mint mit mivel most nagyon ne neki nekem nem nincs ő ők ott olyan össze pedig sem semmi sok s szerint
        számára te tehát tőle vagy vagyok valami valaki van vannak volt voltak utána én előtt""",
    "romanian": """
        a acea aceasta această aceste acest acesta acolo acum ai aici al ale am ar are aş aș au avea avem că căci când care
        către ce cel cei cele ceva chiar cine cu cum cât câte câți da dacă dar de deci deja despre din după ea ei el ele era
        erau este eu fără face fi fie foarte fost iar îi îl îmi în înainte între își îți la lângă le li lor lui mai mă mea
        mei mele meu mi mine mult mulți ne nici nimic niște noastră noi nostru nu o ori orice pe pentru peste până prin sa
        să sale sau se sî și sînt sunt spre sub suntem ta tale tău te tot toate toți tu un una unde unei unor unui unul vă
        voi vor vostru îmi""",
    "polish": """
        a aby ale albo bardzo bez będzie być był była było były chyba ci co czy dla do dlaczego gdy gdzie go i ich ile im
        ja jak jaka jaki jakie jako je jego jej jest jestem jeśli jeszcze już każdy kiedy kto która które którego której
        który których którzy lub ma mam mają mi mnie moja moje mój może można my na nad nam nas nasz nawet nic nie niej nim
        niż o od on ona one oni oraz po pod ponieważ przed przez przy są się ta tak także tam te tego tej ten to tobie też
        tu twoja twoje twój ty tych tylko tym u w wam was we wiele wszystko wszystkiego wy z za ze że żeby żadnych""",
    "czech": """
        a aby ale ani asi až bez bude být by byl byla bylo byly či co což do ho i já jak jaká jaké jaký jako je jeho jejich
        její jen ještě jestli ji již jsem jsi jsme jsou jste k kam kde kdo kdy když ke která které který kteří kolik ma má
        mám máme mezi mi mě mít mně mnou moc mohu moje můj může my na nad nám nás náš ne nebo než nic není o od on ona oni
        pak po pod podle pokud pouze pro proč protože před při s se si svůj svou ta tak také tady tam tato té ten tento
        těch to toho tom tomu tu tuto ty tvůj u už v vám vás váš ve více však vše všechno všechny vy z za ze že""",
    "turkish": """
        acaba ama artık aslında bana bazı belki ben benden beni benim bir biri biz bize bizim bu buna bunu bunun burada
        çok çünkü da daha de defa değil diye en gibi göre hangi hem hep her herkes hiç için içinde ile ise kaç kadar ki kim
        kime mı mi mu mü nasıl ne neden nerede nereye neydi niçin niye o olan olarak oldu olduğu olur on ona onlar onu
        onun önce orada oysa sana sen seni senin siz size sizin sonra şey şu şimdi tüm ve veya var vardı ya yani yok yoksa
        zaten""",
    "russian": """
        а без более бы был была были было быть в вам вас ваш весь во вот все всё всего всех вы где да для до его ее её если
        есть еще ещё же за здесь и из или им их к как какая какие какой когда кто куда ли либо мне много может мы моя мой моё
        мои меня на над надо наш не него нее неё нет ни них но ну о об однако он она они оно от очень по под почему при про
        с сам свой своя себя со так также там тебя тем то того тоже той только том ты твой твоя у уже чего чей чем что чтобы
        чья эта эти это этот этого я сколько""",
    "greek": """
        ένα ένας εγώ είμαι είναι είσαι είχα είχε αλλά αν αντί από αυτά αυτή αυτό αυτός για γιατί δεν εάν εμείς εσύ έχει
        έχω η θα και κάθε κατά με μετά μας μη μην μια μου να ο οι όπως όταν ότι πιο πόσα πόσο που πού ποια ποιο ποιος πολύ
        πότε πριν προς πώς σαν σας σε στα στη στην στις στο στον στους τα τη την της τι τις το τον του τους των ως""",
    "arabic": """
        أن أنا أنت أو أي أين إذا إلى إن الذي التي الى ان او بعد بل بين تحت ثم حتى حيث دون ذلك على عن عند غير في فيها قبل قد كان
        كانت كل كم كما كيف لا لقد لكن لم لن له لها لي ليس ما ماذا متى مع من منذ نحن هذا هذه هل هم هناك هو هي و يا""",
    "hindi": """
        अपना अपनी अपने आप इस इसके उन उनके उस उसके एक एवं और कब कहाँ कहां का कि कितने किस की कुछ के को कोई कौन क्या क्यों गया जब जो
        तक तो था थी थे ने पर बहुत भी मुझे मेरा मेरी मेरे में मैं यह या ये रहा रही रहे लिए वह वे से हम हुआ है हैं हो हूँ""",
}

#: Of every language's small words, as they are written (case folded, with accents).
STOP_WORDS = {language: frozenset(words.casefold().split()) for language, words in _LISTS.items()}

#: Parts of addresses; they mean nothing in any language.
ADDRESS_PARTS = frozenset({"com", "http", "https", "www"})
